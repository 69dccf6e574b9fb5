package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirstreams/weir/secret"
)

// clock is one that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(seconds float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = time.UnixMilli(int64(seconds * 1000))
}

// L-39, L-40, EX-47, D-J8: a server that is down is asked after pauses that grow, also if the field has no default.
func TestFetchesAreRepeatedAfterAWhile(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":5}`)
	now := &clock{}
	config := s.config()
	config.Fallback, config.now, config.RetryMax = FallbackDefault, now.Now, 4*time.Second
	c := s.open(config)
	filled, bare := fields(t, c, JSON("max", "", "$.max").Default(0)), fields(t, c, JSON("max", "", "$.max"))
	s.set(func() { s.status = http.StatusServiceUnavailable })
	for _, step := range []struct {
		at       float64
		requests int
	}{{100.2, 1}, {100.9, 1}, {101.0, 1}, {101.1, 2}, {103.0, 2}, {103.1, 3}, {107.0, 3}, {107.1, 4}, {111.0, 4}, {111.1, 5}} {
		now.set(step.at)
		if got := ask(t, filled, query("dev1", 1)); got != `{"max":0}` || s.asked() != step.requests {
			t.Errorf("at %v: %s, %d requests, want %d", step.at, got, s.asked(), step.requests)
		}
		_, err := try(t, bare, query("dev1", 1))
		failure, ok := errors.AsType[*FetchError](err)
		if !ok || failure.Status != http.StatusServiceUnavailable || failure.Failures != step.requests || s.asked() != step.requests {
			t.Errorf("at %v: %v, %d requests, want %d", step.at, err, s.asked(), step.requests)
		}
	}
	s.set(func() { s.status = 0 })
	now.set(120)
	for range 2 {
		if got := ask(t, filled, query("dev1", 1)); got != `{"max":5}` || s.asked() != 6 {
			t.Errorf("got %s after %d requests", got, s.asked())
		}
	}
}

// L-39, D-J8: what is fetched is checked, and errors keep secrets.
func TestWhatCanBeWrongWithAFetch(t *testing.T) {
	s := newService(t, 1)
	sum := sha256.Sum256([]byte(`{"max":1}`))
	good := hex.EncodeToString(sum[:])
	s.contents["/c"] = `{"max":1}`
	s.contents["/large"] = `{"max":"` + strings.Repeat("x", 2000) + `"}`
	s.send(
		s.event("created", "limits", "right", 1, 0, "/c", strings.ToUpper(good)),
		s.event("updated", "limits", "moved", 1, 0, "/moved/c", good),
		s.event("created", "limits", "wrong", 1, 0, "/c", strings.Repeat("0", 64)),
		s.event("created", "limits", "malformed", 1, 0, "/c", "abc"),
		s.event("created", "limits", "large", 1, 0, "/large", ""),
		s.event("created", "limits", "gone", 1, 0, "/gone?token=secret", ""),
		s.event("created", "limits", "nowhere", 1, 0, "", "")+" ", // the server's root: 404
	)
	config := s.config()
	config.MaxContentBytes, config.Token, config.RequestTimeout = 1000, secret.New("sesame"), 300*time.Millisecond
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max").Default(0))
	for _, key := range []string{"right", "moved"} {
		if got := ask(t, limit, query(key, 1)); got != `{"max":1}` {
			t.Errorf("%s: got %s", key, got)
		}
	}
	s.set(func() {
		if s.headers.Get("Authorization") != "Bearer sesame" || s.headers.Get("User-Agent") == "" {
			t.Errorf("got %v", s.headers)
		}
	})
	for key, want := range map[string]error{"wrong": ErrChecksum, "malformed": ErrChecksum, "large": ErrTooLarge, "gone": nil, "nowhere": nil} {
		_, err := try(t, limit, query(key, 1))
		failure, ok := errors.AsType[*FetchError](err)
		if !ok || want != nil && !errors.Is(err, want) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: got %v", key, err)
		}
		if want == nil && failure.Status != http.StatusNotFound {
			t.Errorf("%s: got %v", key, err)
		}
	}
	// A server that does not answer keeps nobody for longer than the timeout, and those who wait share one request.
	s.publish("limits", "slow", 1, 0, `{"max":1}`)
	block := make(chan struct{})
	defer close(block)
	s.set(func() { s.block = block })
	await(t, "the event", func() bool { return c.Status().Configurations == 8 })
	before, began := s.asked(), time.Now()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := try(t, limit, query("slow", 1)); !errors.Is(err, ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	all.Wait()
	if n := s.asked() - before; n != 1 || time.Since(began) > 10*time.Second {
		t.Errorf("%d requests in %v", n, time.Since(began))
	}
}
