"""The settings: what there is (model), how it is written (quantities), how it is read (load), what is said of it (document)."""
