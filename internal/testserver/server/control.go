//go:build unix

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
)

// listen serves the verbs of the instances on a socket in the directory of the session.
func (s *session) listen(ctx context.Context) error {
	s.socket = filepath.Join(s.dir, "control")
	var listen net.ListenConfig
	l, err := listen.Listen(ctx, "unix", s.socket)
	if err != nil {
		return fmt.Errorf("listen for the command's wishes (a shorter TMPDIR may help): %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	service := &http.Server{
		Handler:     s.verbs(),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- service.Serve(l) }()
	s.hangUp = func() {
		cancel()
		_ = service.Shutdown(context.Background()) // waits for the verbs, whose context has ended
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			s.say("the socket %s: %v", s.socket, err)
		}
	}
	return nil
}

// verbs serves POST /SERVER/VERB. The answer to a failure is its text.
func (s *session) verbs() http.Handler {
	mux := http.NewServeMux()
	for _, i := range s.instances {
		var turn sync.Mutex
		for verb, do := range i.verbs {
			mux.HandleFunc("POST /"+i.name+"/"+verb, func(w http.ResponseWriter, r *http.Request) {
				turn.Lock()
				defer turn.Unlock()
				if err := do(r.Context()); err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
				}
			})
		}
	}
	return mux
}
