"""One row for each time somebody opened the page."""

from django.db import models


class Visit(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    browser = models.CharField(max_length=120, blank=True)

    class Meta:
        ordering = ["-id"]
        db_table = "visits"
        # The table is made by views.page, not by `migrate`: see there.
        managed = False
