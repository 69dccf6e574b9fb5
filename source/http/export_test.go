package http

// Waiting returns how many requests wait for the commit of their records.
func (s *Source[K, V]) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiting
}
