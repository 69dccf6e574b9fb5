package websocket_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	cws "github.com/coder/websocket"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/killtest"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/sourcetest"
	"github.com/weirstreams/weir/source/websocket"
)

func TestMain(m *testing.M) {
	killtest.Main(func() int {
		kafkatest.VerifyTestMain(m) // ends the process
		return 1
	}, (*member).run)
}

// server keeps messages and sends those behind the number that a subscription names: a server that can send again.
type server struct {
	*httptest.Server
	// dropAfter cuts each connection after so many messages; 0 means never. ends closes it when all are sent.
	dropAfter int
	ends      bool

	mu          sync.Mutex
	messages    []string
	more        chan struct{} // closed when messages are added
	connections int
	acks        []string
}

func newServer(tb testing.TB) *server {
	tb.Helper()
	s := &server{more: make(chan struct{})}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	tb.Cleanup(s.Close)
	return s
}

func (s *server) address() string { return "ws" + strings.TrimPrefix(s.URL, "http") }

func (s *server) add(messages ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, messages...)
	close(s.more)
	s.more = make(chan struct{})
}

// count returns how often a subscription has come.
func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.connections
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	c, err := cws.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer func() { _ = c.CloseNow() }()
	_, data, err := c.Read(r.Context())
	if err != nil {
		return
	}
	next, err := strconv.Atoi(string(data))
	if err != nil {
		_ = c.Close(cws.StatusPolicyViolation, "no subscription")
		return
	}
	s.mu.Lock()
	s.connections++
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	go func() { // a client that closes, and acknowledgements
		defer cancel()
		for {
			_, data, err := c.Read(ctx)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.acks = append(s.acks, string(data))
			s.mu.Unlock()
		}
	}()
	for sent := 0; ctx.Err() == nil; {
		s.mu.Lock()
		left, more := s.messages[min(next, len(s.messages)):], s.more
		s.mu.Unlock()
		for i, m := range left {
			if s.dropAfter > 0 && sent == s.dropAfter {
				return
			}
			if c.Write(ctx, cws.MessageText, []byte(strconv.Itoa(next+i+1)+" "+m)) != nil {
				return
			}
			sent++
		}
		next += len(left)
		if s.ends {
			_ = c.Close(cws.StatusNormalClosure, "that is all")
			return
		}
		select {
		case <-more:
		case <-ctx.Done():
		}
	}
}

// numbered are options for a server: a message has its number in front, which is the position behind it.
func numbered() websocket.Options[*string, *string] {
	return websocket.Options[*string, *string]{
		Subscribe: subscribe,
		Decode: func(m websocket.Message, into *source.Batch[*string, *string]) error {
			number, text, _ := strings.Cut(string(m.Data), " ")
			var item sourcetest.Item
			if err := json.Unmarshal([]byte(text), &item); err != nil {
				return err
			}
			var r weir.Record[*string, *string]
			r.Key, r.Value = item.Pointers()
			into.Records = append(into.Records, r)
			into.Position = []byte(number)
			return nil
		},
	}
}

// subscribe asks for the messages behind the position.
func subscribe(ctx context.Context, s *websocket.Session) error {
	from := "0"
	if s.Position() != nil {
		from = string(s.Position())
	}
	return s.Send(ctx, websocket.Text(from))
}

// texts are options that make a record of each message, with the position behind it, of a server.
func texts() websocket.Options[string, string] {
	return websocket.Options[string, string]{
		Subscribe: subscribe,
		Decode: func(m websocket.Message, into *source.Batch[string, string]) error {
			number, text, _ := strings.Cut(string(m.Data), " ")
			into.Records = append(into.Records, weir.Record[string, string]{Key: "k", Value: text})
			into.Position = []byte(number)
			return nil
		},
	}
}

func task() source.Task { return source.Task{Source: "s", Now: time.Now, Logger: discard} }

// open connects a source, and opens its first split behind a position.
func open[K, V any](t *testing.T, s *websocket.Source[K, V], position []byte) source.Reader[K, V] {
	t.Helper()
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil { //nolint:usetesting // that of the test has ended
			t.Error(err)
		}
	})
	splits, err := s.Splits(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Open(t.Context(), task(), splits[0], position)
	if err != nil {
		t.Fatal(err)
	}
	closed := sync.OnceFunc(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(closed)
	return r
}

// readSome reads until so many records have come, or an error does.
func readSome[K, V any](t *testing.T, r source.Reader[K, V], want int) (records []weir.Record[K, V], position []byte, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for len(records) < want && err == nil {
		batch := source.Batch[K, V]{Behind: -1}
		err = r.Read(ctx, &batch)
		if ctx.Err() != nil {
			t.Fatalf("%d records have come, of %d", len(records), want)
		}
		records = append(records, batch.Records...)
		if batch.Position != nil {
			position = batch.Position
		}
	}
	return records, position, err
}
