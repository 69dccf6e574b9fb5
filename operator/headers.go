package operator

import (
	"context"

	"github.com/weirstreams/weir"
)

// SetHeaders replaces the headers of each record by those that a function returns. The function is given a copy of the
// headers, which it may change and return.
type SetHeaders[K, V any] struct {
	Env  *Env
	Node int
	F    func(context.Context, *weir.Record[K, V]) ([]weir.Header, error)
	Next Receiver[K, V]

	headers []weir.Header
	out     weir.Record[K, V]
}

// Receive implements [Receiver].
func (s *SetHeaders[K, V]) Receive(r *weir.Record[K, V]) error {
	s.Env.Enter(s.Node)
	s.headers = append(s.headers[:0], r.Headers...)
	s.out = *r
	s.out.Headers = s.headers
	headers, err := s.F(s.Env.Context, &s.out)
	if err != nil {
		return err
	}
	s.out.Headers = headers
	return s.Next.Receive(&s.out)
}

// AddHeader adds a header to each record, after those that it has.
type AddHeader[K, V any] struct {
	Env  *Env
	Node int
	Key  string
	F    func(context.Context, *weir.Record[K, V]) ([]byte, error)
	Next Receiver[K, V]

	headers []weir.Header
	out     weir.Record[K, V]
}

// Receive implements [Receiver].
func (a *AddHeader[K, V]) Receive(r *weir.Record[K, V]) error {
	a.Env.Enter(a.Node)
	value, err := a.F(a.Env.Context, r)
	if err != nil {
		return err
	}
	a.headers = append(append(a.headers[:0], r.Headers...), weir.Header{Key: a.Key, Value: value})
	a.out = *r
	a.out.Headers = a.headers
	return a.Next.Receive(&a.out)
}
