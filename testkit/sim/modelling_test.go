package sim

// SetModelling sets what is told when the reference model runs.
func SetModelling(f func(bool)) { modelling = f }
