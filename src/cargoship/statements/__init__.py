"""What a build says about its images: SBOMs, provenance, signatures; made here, and put where the settings want it."""
