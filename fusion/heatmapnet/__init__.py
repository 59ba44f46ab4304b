"""HeatmapNet: a light network that one trains oneself, from a picture or depth to a heatmap per joint."""
