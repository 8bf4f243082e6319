from .model import Tagger

__all__ = ["Tagger"]
