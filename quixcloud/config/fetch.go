package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weirstreams/weir/internal/backoff"
	"github.com/weirstreams/weir/secret"
)

// contents fetches contents and keeps them. It may be used by several goroutines at once.
type contents struct {
	*cache
	client  *http.Client
	own     *http.Transport // of client, or nil if it is the user's
	token   secret.String
	timeout time.Duration
	limit   int64
	waits   backoff.Policy
	now     func() time.Time
	log     *slog.Logger

	ctx     context.Context // of fetches: a record that gives up takes nothing from the others
	cancel  context.CancelFunc
	turns   chan struct{} // one for each fetch that may be on its way
	flights sync.WaitGroup

	closing sync.Mutex // guards closed
	closed  bool
}

// maxFlights is how many contents are fetched at a time.
const maxFlights = 16

func newContents(c Config) *contents {
	s := &contents{
		cache: newCache(c.CacheSize, c.CacheBytes), client: c.HTTPClient, token: c.Token, timeout: c.RequestTimeout, limit: c.MaxContentBytes,
		waits: backoff.Policy{Base: c.RetryBase, Max: c.RetryMax}, now: c.now, log: c.Logger, turns: make(chan struct{}, maxFlights),
	}
	if s.client == nil {
		s.own = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: maxFlights}
		s.own.IdleConnTimeout = 90 * time.Second
		s.client = &http.Client{Transport: s.own}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// close cancels running fetches.
func (s *contents) close() {
	s.closing.Lock()
	s.closed = true
	s.closing.Unlock()
	s.cancel()
	s.flights.Wait()
	if s.own != nil {
		s.own.CloseIdleConnections()
	}
}

// get returns content if it is at hand, or else the fetch to wait for, or why there is none.
func (s *contents) get(c *content) (*loaded, *flight, error) {
	if l := c.loaded.Load(); l != nil && l.fresh(s.now) {
		s.hit(c)
		return l, nil, nil
	}
	s.miss()
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.loaded.Load(); l != nil && l.fresh(s.now) {
		return l, nil, nil
	}
	if c.flight != nil {
		return nil, c.flight, nil
	}
	if c.failure != nil && !s.now().After(c.retryAt) {
		return nil, nil, c.failure
	}
	s.closing.Lock()
	defer s.closing.Unlock()
	if s.closed {
		return nil, nil, ErrClosed
	}
	f := &flight{done: make(chan struct{})}
	c.flight = f
	s.flights.Go(func() { s.fetch(c, f) })
	return nil, f, nil
}

// fetch fetches content, for all waiting lookups.
func (s *contents) fetch(c *content, f *flight) {
	data, status, err := s.request(&c.source)
	s.land(c, f, data, status, err)
	if failure, ok := errors.AsType[*FetchError](f.err); ok {
		s.log.Warn("configurations: cannot fetch a content", "error", failure)
	}
	close(f.done)
}

// land records the result of a fetch.
func (s *contents) land(c *content, f *flight, data []byte, status int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flight = nil
	switch {
	case err == nil && status == 0:
		f.loaded = newLoaded(data)
		c.failure, c.failures = nil, 0
		s.put(c, f.loaded)
	case s.ctx.Err() != nil:
		f.err = ErrClosed
	default:
		c.retryAt = s.retryAt(c.failures)
		c.failures++
		f.err = &FetchError{URL: shown(c.source.url), Status: status, Failures: c.failures, Retry: c.retryAt, Err: err}
		c.failure = f.err
	}
}

// request waits for its turn and returns the content of a source, or an error. Status is 0 for content.
func (s *contents) request(src *source) (data []byte, status int, err error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-s.ctx.Done():
		return nil, 0, s.ctx.Err()
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.timeout)
	defer cancel()
	data, status, err = s.download(ctx, src)
	if err != nil && isTimeout(err) {
		err = s.timeoutError(ctx, err)
	}
	return data, status, err
}

// isTimeout reports whether an error is that of a context, a dialer, a handshake or a client that has run out of time.
func isTimeout(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// timeoutError returns an error for a request that has run out of time. It wraps nothing of it: the lookup join
// would take context.DeadlineExceeded for the end of its own time, and ask again for ever.
func (s *contents) timeoutError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w within %v", ErrTimeout, s.timeout)
	}
	return fmt.Errorf("%w in time: %s", ErrTimeout, err.Error())
}

// download returns the content of a source, or an error. Status is 0 for content.
func (s *contents) download(ctx context.Context, src *source) (data []byte, status int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, src.url, nil)
	if err != nil {
		return nil, 0, withoutURL(err)
	}
	request.Header.Set("User-Agent", "weir-quixconfig")
	if !s.token.IsZero() {
		request.Header.Set("Authorization", "Bearer "+s.token.Reveal())
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, 0, withoutURL(err)
	}
	defer response.Body.Close()
	if response.StatusCode < 200 || response.StatusCode > 299 {
		_, _ = io.CopyN(io.Discard, response.Body, 4<<10) // so that the connection can be used again
		return nil, response.StatusCode, nil
	}
	data, err = io.ReadAll(io.LimitReader(response.Body, s.limit+1))
	switch {
	case err != nil:
		return nil, response.StatusCode, fmt.Errorf("read the content: %w", err)
	case int64(len(data)) > s.limit:
		return nil, response.StatusCode, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, s.limit)
	case src.sum == "":
		return data, 0, nil
	}
	sum := sha256.Sum256(data)
	if text := hex.EncodeToString(sum[:]); !strings.EqualFold(text, src.sum) {
		return nil, response.StatusCode, fmt.Errorf("%w: %s, want %q", ErrChecksum, text, src.sum)
	}
	return data, 0, nil
}

// retryAt returns when to try again after something has failed, with a number of failures in a row before this one. Whole
// seconds are counted from the beginning of the second.
func (s *contents) retryAt(failures int) time.Time {
	pause := s.waits.Wait(failures + 1)
	now := s.now()
	if pause >= time.Second {
		now = now.Truncate(time.Second)
	}
	return now.Add(pause)
}

// withoutURL returns an error of a request without the URL, which may hold secrets.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// shown returns a URL without its secret parts.
func shown(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "a URL that is malformed"
	}
	u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
	return u.String()
}
