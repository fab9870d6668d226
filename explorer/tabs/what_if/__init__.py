"""The tab What if?: a part of the photo is changed, and the model explains the photo before and after."""
