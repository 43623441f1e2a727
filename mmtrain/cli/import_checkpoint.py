"""placeholder"""
NAME = "import_checkpoint"
def command() -> None:
    """x"""
