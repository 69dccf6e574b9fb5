package operator

import (
	"context"
	"time"

	"github.com/weirstreams/weir"
)

// SetTimestamp replaces the time of each record by the one that a function returns, cut to milliseconds.
type SetTimestamp[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) (time.Time, error)
	Next Receiver[K, V]

	out    weir.Record[K, V]
	recent recentLeast
}

// NewSetTimestamp returns the operator of the task of env.
func NewSetTimestamp[K, V any](env *Env, node int, f func(context.Context, *weir.Record[K, V]) (time.Time, error), next Receiver[K, V]) *SetTimestamp[K, V] {
	s := &SetTimestamp[K, V]{Env: env, Node: node, F: f, Next: next, recent: newRecentLeast()}
	if env.KeepsTime {
		env.OnHold(node, func(reached int64) (int64, error) { return s.recent.hold(env, reached), nil })
	}
	return s
}

// Receive implements [Receiver].
func (s *SetTimestamp[K, V]) Receive(r *weir.Record[K, V]) error {
	s.Env.Enter(s.Node)
	at, err := s.F(s.Env.Context, r)
	if err != nil {
		return err
	}
	s.out = *r
	s.out.SetTime(at)
	if s.Env.KeepsTime {
		s.recent.note(s.Env, s.out.Millis)
	}
	return s.Next.Receive(&s.out)
}
