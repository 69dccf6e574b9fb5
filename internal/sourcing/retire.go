package sourcing

import (
	"slices"
	"time"
)

// Committed implements [operator.Feed].
func (s *Slot[K, V]) Committed() {
	byID := make(map[string]*reading[K, V], len(s.open))
	for _, r := range s.open {
		for _, left := range s.env.LeftOut {
			if left.Split == r.split.ID {
				left.Ahead -= r.handed
				left.Passed = left.Passed || left.Ahead <= 0
			}
		}
		r.moved, r.handed = false, 0
		byID[r.split.ID] = r
	}
	s.store.takeCommitted(func(split string, row row) {
		r := byID[split]
		if row.finished {
			s.looking.finish(split)
		}
		if r == nil {
			return
		}
		if row.position != nil {
			r.committed(row.position)
		}
		if row.finished {
			s.retire(r)
			s.ended--
			s.open = slices.DeleteFunc(s.open, func(o *reading[K, V]) bool { return o == r })
		}
	})
	s.openWaiting()
	s.publish()
}

// retire tells a reader to end, and keeps it until it has.
func (s *Slot[K, V]) retire(r *reading[K, V]) {
	s.closing = slices.DeleteFunc(s.closing, func(o *reading[K, V]) bool {
		select {
		case <-o.done:
			return true
		default:
			return false
		}
	})
	r.stop()
	s.closing = append(s.closing, r)
}

// rewound opens the splits anew that have moved since the last checkpoint. Batches in the queues of their former readers are lost.
func (s *Slot[K, V]) rewound() {
	of := s.of
	s.current, s.of, s.at = filled[K, V]{}, nil, 0
	for i, r := range s.open {
		if !r.moved && r != of {
			continue
		}
		if r.endTaken {
			s.ended--
		}
		row, _ := s.store.get(r.split.ID)
		s.retire(r)
		s.open[i] = newReading(s, r.split, row.position, r.done)
	}
	s.news.Store(true)
}

// Stop implements [operator.Feed].
func (s *Slot[K, V]) Stop() { s.cancel() }

// close ends all goroutines, and waits for them.
func (s *Slot[K, V]) close() error {
	s.cancel()
	for _, r := range s.open {
		r.stop()
	}
	timeout := time.NewTimer(s.options.CloseTimeout)
	defer timeout.Stop()
	waitFor := func(done <-chan struct{}) bool {
		select {
		case <-done:
			return true
		case <-timeout.C:
			timeout.Reset(0) // the others get no more time
			return false
		}
	}
	if s.lookingDone != nil && !waitFor(s.lookingDone) {
		s.task.Logger.Error("a source was left behind: Splits has not returned after its context has ended", "waited", s.options.CloseTimeout)
	}
	for _, r := range slices.Concat(s.open, s.closing) {
		if !waitFor(r.done) {
			r.task.Logger.Error("the reader of a split was left behind: it has not returned after its context has ended", "waited", s.options.CloseTimeout)
		}
	}
	s.open, s.closing = nil, nil
	return nil
}
