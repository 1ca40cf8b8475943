"""From images to where they run: references found in documents, replaced by digests, and handed to other tools."""
