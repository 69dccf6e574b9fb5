package operator

import (
	"context"
	"time"
)

// SetTimestamp replaces the time of each record by the one that a function returns, cut to milliseconds.
type SetTimestamp[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *Record[K, V]) (time.Time, error)
	Next Receiver[K, V]

	out Record[K, V]
}

// Receive implements [Receiver].
func (s *SetTimestamp[K, V]) Receive(r *Record[K, V]) error {
	s.Env.Enter(s.Node)
	at, err := s.F(s.Env.Context, r)
	if err != nil {
		return err
	}
	s.out = *r
	s.out.SetTime(at)
	return s.Next.Receive(&s.out)
}
