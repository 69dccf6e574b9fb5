// Package pausing says which sub-topologies of a process stand still because the user has paused them.
package pausing

import (
	"slices"
	"sync"
	"sync/atomic"
)

// Switch has the wanted state of all sub-topologies. The workers of a process share one: it outlives their tasks, so that a rebalance does not
// end a pause. A nil Switch pauses nothing. Any goroutine may call its methods.
//
// It promises that a worker which has read a version, and a part afterwards, has the state of the part in this version or a later one.
type Switch struct {
	version atomic.Int64
	mu      sync.Mutex // guards parts
	parts   []bool
	// draining is set for good.
	draining atomic.Bool
}

// Set replaces the parts that are paused, by their index in the plan, and returns the version of this state.
func (s *Switch) Set(parts []bool) (version int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = slices.Clone(parts)
	return s.version.Add(1)
}

// Drain begins a drain: tasks that read from outside and from internal topics take records from outside only while internal ones wait for them.
func (s *Switch) Drain() { s.draining.Store(true) }

// Draining reports whether a drain has begun.
func (s *Switch) Draining() bool { return s != nil && s.draining.Load() }

// Version is another number after each call of Set.
func (s *Switch) Version() int64 {
	if s == nil {
		return 0
	}
	return s.version.Load()
}

// Paused reports whether a part is to stand still.
func (s *Switch) Paused(part int) bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return part < len(s.parts) && s.parts[part]
}
