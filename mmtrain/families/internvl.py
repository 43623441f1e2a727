"""InternVL 2, 2.5 and 3 in transformers' native classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmtrain.families import LANGUAGE_TARGETS, Family, frame_rule, no_pixel_limits

if TYPE_CHECKING:
    from mmtrain.data.internvl import InternVLMedia
    from mmtrain.settings import Settings


def media(settings: Settings, config: dict[str, Any]) -> InternVLMedia:
    """Tiles as the settings say, of the size that the vision encoder takes."""
    from mmtrain.data.internvl import InternVLMedia

    vision = config.get("vision_config", {})
    size, patch = vision.get("image_size", 448), vision.get("patch_size", 14)
    return InternVLMedia(
        tile=size[0] if isinstance(size, list) else size,
        patch=patch[0] if isinstance(patch, list) else patch,
        tokens=config.get("image_seq_length"),
        min_tiles=settings.min_tiles,
        max_tiles=settings.max_tiles,
        thumbnail=settings.thumbnail,
        dynamic=settings.dynamic_tiles,
        frames=frame_rule(settings),
    )


FAMILY = Family(
    name="InternVL",
    model_types=("internvl",),
    template="internvl2_5",
    projector=r"multi_modal_projector",
    vision=r"vision_tower",
    layer=r"vision_tower\.encoder\.layer\.(\d+)\.",
    targets={
        "vision": r".*vision_tower.*\.(?:q_proj|k_proj|v_proj|projection_layer|fc1|fc2)",
        "projector": r".*multi_modal_projector\.linear_\d",
        "language": LANGUAGE_TARGETS,
    },
    media=media,
    unused=no_pixel_limits("max_dynamic_patch bounds a picture"),
    branches=r"vision_tower\.encoder\.layer\.(\d+)\.(?:attention|mlp)$",
)
