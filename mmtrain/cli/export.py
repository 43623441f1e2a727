"""placeholder"""
NAME = "export"
def command() -> None:
    """x"""
