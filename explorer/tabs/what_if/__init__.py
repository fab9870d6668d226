"""The tab What if?: a part of the photo is changed, and the model is asked again."""
