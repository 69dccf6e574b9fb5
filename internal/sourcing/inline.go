package sourcing

import "math"

// actInline makes the calls of the source that are due, on the goroutine of the worker.
func (s *Slot[K, V]) actInline() {
	s.looking.act(s.ctx)
	s.collect()
	for _, r := range s.open {
		if r.endTaken {
			r.acknowledgeDue(s.ctx)
			continue
		}
		r.act(s.ctx)
	}
}

// nextInline returns when a call of the source is due.
func (s *Slot[K, V]) nextInline() int64 {
	next := int64(math.MaxInt64)
	if s.looking.failed == nil && (!s.looking.looked || s.options.LookInterval >= 0) {
		next = s.looking.notUntil.UnixMilli()
	}
	for _, r := range s.open {
		if !r.ended {
			next = min(next, r.notUntil.UnixMilli())
		}
	}
	if s.options.RecordsPerSecond > 0 {
		next = max(next, s.owed.UnixMilli())
	}
	return next
}
