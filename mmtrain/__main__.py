"""``python -m mmtrain``: what launchers start on every rank."""

from mmtrain.cli import main

main()
