package http

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ServeHTTP implements [http.Handler]: it answers POST and PUT by 204 when the records of the request are committed, and GET and HEAD by 204 while this process
// takes requests, for load balancers. 503 has a Retry-After: nothing was committed, or it is not known.
func (s *Source[K, V]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPost, http.MethodPut:
		s.receive(w, r)
	case http.MethodGet, http.MethodHead:
		if s.open() {
			w.WriteHeader(http.StatusNoContent)
		} else {
			busy(w, "this process takes no requests")
		}
	default:
		w.Header().Set("Allow", "GET, HEAD, POST, PUT")
		http.Error(w, "send the data by POST", http.StatusMethodNotAllowed)
	}
}

// busy asks for the request again after a second.
func busy(w http.ResponseWriter, text string) {
	w.Header().Set("Retry-After", "1")
	http.Error(w, text, http.StatusServiceUnavailable)
}

func (s *Source[K, V]) open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.readers) > 0
}

func (s *Source[K, V]) receive(w http.ResponseWriter, r *http.Request) {
	if !s.open() {
		busy(w, "this process takes no requests")
		return
	}
	body, status := s.body(w, r)
	if status != 0 {
		http.Error(w, http.StatusText(status), status)
		return
	}
	if check := s.options.Check; check != nil {
		if err := check(r, body); err != nil {
			s.logRefused(r, err)
			http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
			return
		}
	}
	records, err := s.options.Decode(r, body)
	if err != nil {
		s.logRefused(r, err)
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if len(records) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q := &request[K, V]{records: records, bytes: int64(len(body)), answer: make(chan error, 1)}
	to, problem := s.enqueue(q)
	if problem != "" {
		busy(w, problem)
		return
	}
	defer s.done(q)
	ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
	defer cancel()
	select {
	case err := <-q.answer:
		if err != nil {
			busy(w, err.Error())
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case <-ctx.Done():
		if to.giveUp(q) {
			busy(w, "the records were not committed in time; they are dropped")
		} else {
			busy(w, "the records were not committed in time; they may still be")
		}
	}
}

// body reads the body of a request. A status other than 0 is the answer to one that cannot be read.
func (s *Source[K, V]) body(w http.ResponseWriter, r *http.Request) (body []byte, status int) {
	most := s.options.MaxBodyBytes
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.options.Timeout)) // not every server of a program can
	var in io.Reader = http.MaxBytesReader(w, r.Body, most)
	switch encoding := r.Header.Get("Content-Encoding"); strings.ToLower(encoding) {
	case "", "identity":
	case "gzip":
		plain, err := gzip.NewReader(in)
		if err != nil {
			return nil, statusOf(err)
		}
		in = io.LimitReader(plain, most+1)
	default:
		return nil, http.StatusUnsupportedMediaType
	}
	body, err := io.ReadAll(in)
	switch {
	case err != nil:
		return nil, statusOf(err)
	case int64(len(body)) > most:
		return nil, http.StatusRequestEntityTooLarge
	}
	return body, 0
}

func statusOf(err error) int {
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return http.StatusRequestEntityTooLarge
	}
	return http.StatusBadRequest
}

// logRefused logs a request that makes no records.
func (s *Source[K, V]) logRefused(r *http.Request, err error) {
	log := slog.New(slog.DiscardHandler)
	s.mu.Lock()
	if len(s.readers) > 0 {
		log = s.readers[0].log
	}
	s.mu.Unlock()
	log.Warn("a request is refused", "from", r.RemoteAddr, "path", r.URL.Path, "error", err)
}

// enqueue gives a request to a reader, in turn. The problem is the reason for which there is no room.
func (s *Source[K, V]) enqueue(q *request[K, V]) (to *reader[K, V], problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(s.readers) == 0:
		return nil, "this process takes no requests any more"
	case s.waiting >= s.options.MaxWaiting || s.bytes+q.bytes > s.options.MaxWaitingBytes:
		return nil, "too many requests wait for their commit"
	}
	s.waiting++
	s.bytes += q.bytes
	s.turn++
	to = s.readers[s.turn%len(s.readers)]
	to.queue = append(to.queue, q)
	select {
	case to.came <- struct{}{}:
	default:
	}
	return to, ""
}

// done counts a request that has its answer.
func (s *Source[K, V]) done(q *request[K, V]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	s.bytes -= q.bytes
}

// giveUp takes a request back that was not read. It reports false if it was.
func (r *reader[K, V]) giveUp(q *request[K, V]) bool {
	r.source.mu.Lock()
	defer r.source.mu.Unlock()
	i := slices.Index(r.queue, q)
	if i < 0 {
		return false
	}
	r.queue = slices.Delete(r.queue, i, i+1)
	return true
}

var _ http.Handler = (*Source[string, string])(nil)
