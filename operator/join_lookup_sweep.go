package operator

// sweep is a walk through the keys with waiting records after the lookup has changed.
type sweep struct {
	// changes counts the changes of the lookup, or is nil if it does not tell. seen is the number at the last begin.
	changes func() int64
	seen    int64
	// next is the time in milliseconds from which on another sweep may begin.
	next int64
	// active is set until all keys had their turn. at and key are where it is: keys come in the order of their first records.
	active bool
	at     int64
	key    string
}

// sweepInterval is the least time between the begins of two sweeps, in milliseconds.
const sweepInterval = 1000

// changed reports whether a sweep is to begin or to go on.
func (s *sweep) changed() bool { return s.active || s.changes != nil && s.changes() != s.seen }

// sweepOn begins a round of the next key of the sweep, or begins a sweep.
func (b *BufferedLookup[K, V, Q, R, W]) sweepOn(now int64) error {
	s := &b.sweep
	if !s.changed() || !s.active && now < s.next {
		return nil
	}
	if !s.active {
		s.active, s.seen, s.at, s.key = true, s.changes(), -1, ""
		s.next = now + sweepInterval
	}
	at, key, ok, err := b.waiting.NextKey(s.at, s.key, now)
	if err != nil {
		return Fatal(err)
	}
	if !ok {
		s.active = false
		return nil
	}
	s.at, s.key = at, key
	if err := b.takeAll([]byte(key), now-b.wait); err != nil {
		return err
	}
	b.round.fresh = true
	return nil
}
