package http

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/source"
)

// Source receives requests. It is made by [New], serves one run of one application, and may be used by several goroutines.
type Source[K, V any] struct {
	options  Options[K, V]
	listener net.Listener  // nil without Options.Address
	server   *http.Server  // the same
	served   chan struct{} // closed when server has ended

	mu sync.Mutex // guards the fields below, and those of readers that say so
	// readers are open; turn is the one that gets the next request.
	readers []*reader[K, V]
	turn    int
	// waiting and bytes count the requests without an answer whose body is read, and their bodies.
	waiting int
	bytes   int64
	failed  error // of the server
}

// New returns a source of requests.
func New[K, V any](options Options[K, V]) *Source[K, V] {
	return &Source[K, V]{options: options.withDefaults()}
}

// Connect implements [source.Source]: it listens at Options.Address. Requests are answered by 503 until a split is open.
func (s *Source[K, V]) Connect(ctx context.Context) error {
	if err := s.options.check(); err != nil {
		return fmt.Errorf("source/http: %w: %w", weir.ErrConfiguration, err)
	}
	if s.options.Address == "" {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", s.options.Address)
	if err != nil {
		return fmt.Errorf("source/http: %w", err)
	}
	s.listener, s.served = l, make(chan struct{})
	s.server = &http.Server{
		Handler: s, TLSConfig: s.options.TLS, ReadHeaderTimeout: min(s.options.Timeout, 10*time.Second), ReadTimeout: s.options.Timeout,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: log.New(io.Discard, "", 0), // about connections that break
	}
	serve := s.server.Serve
	if s.options.TLS != nil {
		serve = func(l net.Listener) error { return s.server.ServeTLS(l, "", "") }
	}
	go func() {
		defer close(s.served)
		if err := serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.failed = fmt.Errorf("source/http: the server has ended: %w", err)
		}
	}()
	return nil
}

// Addr returns the address that Connect listens at, or nil.
func (s *Source[K, V]) Addr() net.Addr {
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Close implements [source.Source]: it ends the server.
func (s *Source[K, V]) Close(ctx context.Context) error {
	if s.server == nil {
		return nil
	}
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	<-s.served
	return err
}

// Slots implements [source.Slotted].
func (s *Source[K, V]) Slots() int32 { return int32(min(s.options.Receivers, 1<<15)) }

// Splits implements [source.Source]: one for each receiver.
func (s *Source[K, V]) Splits(context.Context, func(string) bool) ([]source.Split, error) {
	splits := make([]source.Split, s.options.Receivers)
	for i := range splits {
		splits[i].ID = strconv.Itoa(i)
	}
	return splits, nil
}

// Open implements [source.Source]. Requests from before do not concern the reader: they were answered, or are sent again.
func (s *Source[K, V]) Open(_ context.Context, task source.Task, _ source.Split, _ []byte) (source.Reader[K, V], error) {
	r := &reader[K, V]{source: s, log: task.Logger, epoch: rand.Text(), came: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = append(s.readers, r)
	return r, nil
}

// leave takes a reader out of those that are open, with the requests that wait for it.
func (s *Source[K, V]) leave(r *reader[K, V]) (left []*request[K, V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers = slices.DeleteFunc(s.readers, func(o *reader[K, V]) bool { return o == r })
	left = append(r.open, r.queue...)
	r.open, r.queue = nil, nil
	return left
}
