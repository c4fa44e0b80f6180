"""H2CM: a daily reanalysis of the water and carbon cycles of the land."""
