package state

// Pace returns the time that was given to SetPace last, or NoTime. It survives restarts.
func (s *Windowed[A]) Pace() (int64, error) {
	if _, err := s.Watermark(); err != nil { // it checks the definition
		return 0, err
	}
	return s.pace.read(s.space)
}

// SetPace stores the time up to which windows have closed for a caller that closes those of a key when the time of the key has
// come, and one that all keys share. NoTime forgets it. Pace has been called before.
func (s *Windowed[A]) SetPace(millis int64) {
	if millis != s.pace.millis {
		s.pace.millis, s.pace.changed = millis, true
	}
}
