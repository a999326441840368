"""Where bytes lie: blobs of versions, trees of runs, parts on their way. Knows neither versions nor rights."""
