package websocket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cws "github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/websocket"
)

var discard = slog.New(slog.DiscardHandler)

func values(records []weir.Record[string, string]) (texts []string) {
	for _, r := range records {
		texts = append(texts, r.Value)
	}
	return texts
}

// served returns the address of a server with a handler for each connection.
func served(t *testing.T, handle func(c *cws.Conn, r *http.Request), o *cws.AcceptOptions) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := cws.Accept(w, r, o)
		if err != nil {
			return // it has answered
		}
		defer func() { _ = c.CloseNow() }()
		handle(c, r)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func TestMessagesInFrontOfALossCountAndTheNextConnectionGoesOnBehindThem(t *testing.T) {
	s := newServer(t)
	s.dropAfter = 3
	s.add("a", "b", "c", "d", "e", "f", "g")
	from := websocket.New(s.address(), texts())
	var got []string
	var position []byte
	for range 3 {
		r := open(t, from, position)
		records, behind, err := readSome(t, r, 7-len(got))
		got = append(got, values(records)...)
		position = behind
		if len(got) < 7 && (err == nil || err == io.EOF) {
			t.Fatalf("the lost connection is told by %v", err)
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "e", "f", "g"}, got); diff != "" || s.count() != 3 {
		t.Errorf("after %d connections (-want +got):\n%s", s.count(), diff)
	}
}

func TestAServerThatDoesNotAnswerPingsIsLeft(t *testing.T) {
	done := make(chan struct{})
	address := served(t, func(*cws.Conn, *http.Request) { <-done }, nil) // which reads nothing
	t.Cleanup(func() { close(done) })
	o := websocket.Options[string, string]{PingInterval: time.Millisecond, PongTimeout: 20 * time.Millisecond}
	r := open(t, websocket.New(address, o), nil)
	if _, _, err := readSome(t, r, 1); err == nil || !strings.Contains(err.Error(), "Options.PongTimeout") {
		t.Errorf("got %v", err)
	}
}

func TestAServerThatAnswersPingsIsKept(t *testing.T) {
	pings := make(chan struct{}, 1000)
	address := served(t, func(c *cws.Conn, r *http.Request) {
		go func() {
			for range 5 {
				<-pings
			}
			_ = c.Write(r.Context(), cws.MessageText, []byte(`"late"`))
		}()
		_, _, _ = c.Read(r.Context())
	}, &cws.AcceptOptions{OnPingReceived: func(context.Context, []byte) bool { pings <- struct{}{}; return true }})
	r := open(t, websocket.New(address, websocket.Options[string, string]{PingInterval: 5 * time.Millisecond}), nil)
	records, _, err := readSome(t, r, 1)
	if diff := cmp.Diff([]string{"late"}, values(records)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestAHeartbeatIsSentInPlaceOfPings(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		_, data, err := c.Read(r.Context())
		if err == nil {
			_ = c.Write(r.Context(), cws.MessageText, fmt.Appendf(nil, "%q", data))
		}
		_, _, _ = c.Read(r.Context())
	}, nil)
	r := open(t, websocket.New(address, websocket.Options[string, string]{PingInterval: time.Millisecond, Heartbeat: "still here"}), nil)
	records, _, err := readSome(t, r, 1)
	if diff := cmp.Diff([]string{"still here"}, values(records)); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestASilentServerIsLeft(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) { _, _, _ = c.Read(r.Context()) }, nil) // which answers pings
	o := websocket.Options[string, string]{PingInterval: 2 * time.Millisecond, IdleTimeout: 20 * time.Millisecond}
	r := open(t, websocket.New(address, o), nil)
	if _, _, err := readSome(t, r, 1); err == nil || !strings.Contains(err.Error(), "Options.IdleTimeout") {
		t.Errorf("got %v", err)
	}
}

func TestAServerHasToWaitWhileNothingIsRead(t *testing.T) {
	const size, buffer = 64 << 10, 256 << 10
	var sent atomic.Int64
	address := served(t, func(c *cws.Conn, r *http.Request) {
		c.CloseRead(r.Context())
		for c.Write(r.Context(), cws.MessageText, []byte(strings.Repeat("x", size))) == nil {
			sent.Add(1)
		}
	}, nil)
	o := websocket.Options[string, string]{
		BufferBytes: buffer, PingInterval: time.Millisecond, PongTimeout: 500 * time.Millisecond, IdleTimeout: time.Second,
		Decode: func(m websocket.Message, into *source.Batch[string, string]) error {
			into.Records = append(into.Records, weir.Record[string, string]{Value: string(m.Data[:1])})
			return nil
		},
	}
	r := open(t, websocket.New(address, o), nil)
	began := time.Now()
	for last := int64(-1); last != sent.Load() || last == 0 || time.Since(began) < 2*o.IdleTimeout; time.Sleep(100 * time.Millisecond) { // until it has stopped for long
		last = sent.Load()
	}
	stopped := sent.Load()
	if most := int64(32 << 20 / size); stopped > most { // the kernel buffers some MiB
		t.Errorf("%d messages were taken while nothing was read", stopped)
	}
	// Neither lost pings nor the silence of that time have ended the connection.
	records, _, err := readSome(t, r, int(stopped)+20)
	if err != nil || len(records) < int(stopped)+20 {
		t.Errorf("%d records came, and %v", len(records), err)
	}
}

func TestALongMessageEndsTheRun(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		_ = c.Write(r.Context(), cws.MessageText, []byte(`"`+strings.Repeat("x", 2000)+`"`))
		_, _, _ = c.Read(r.Context())
	}, nil)
	r := open(t, websocket.New(address, websocket.Options[string, string]{MaxMessageBytes: 1000}), nil)
	_, _, err := readSome(t, r, 1)
	if _, again := (weir.Retry{}).Next(1, err); err == nil || again || !strings.Contains(err.Error(), "Options.MaxMessageBytes") {
		t.Errorf("got %v", err)
	}
}

func TestMessagesInFrontOfOneThatDoesNotDecodeCount(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		for _, text := range []string{`"a"`, `"b"`, `not JSON`, `"c"`} {
			_ = c.Write(r.Context(), cws.MessageText, []byte(text))
		}
		_, _, _ = c.Read(r.Context())
	}, nil)
	r := open(t, websocket.New(address, websocket.Options[string, string]{}), nil)
	records, _, err := readSome(t, r, 3)
	if diff := cmp.Diff([]string{"a", "b"}, values(records)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, again := (weir.Retry{}).Next(1, err); err == nil || again || !strings.Contains(err.Error(), "decode") {
		t.Errorf("got %v", err)
	}
	if !records[0].KeyNull {
		t.Error("the key is not null")
	}
}

func TestCommittedPositionsAreAcknowledged(t *testing.T) {
	s := newServer(t)
	s.add("a", "b")
	o := texts()
	o.Acknowledge = func(position []byte) websocket.Message { return websocket.Text("done " + string(position)) }
	r := open(t, websocket.New(s.address(), o), nil)
	_, position, err := readSome(t, r, 2)
	if err := errors.Join(err, r.Acknowledge(t.Context(), position), r.Close()); err != nil {
		t.Fatal(err)
	}
	s.Close() // which waits for the connection
	if diff := cmp.Diff([]string{"done 2"}, s.acks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOnlyANormalCloseIsTheEnd(t *testing.T) {
	for _, c := range []struct {
		status cws.StatusCode
		stop   bool
		end    bool
	}{{cws.StatusNormalClosure, true, true}, {cws.StatusNormalClosure, false, false}, {cws.StatusGoingAway, true, false}} {
		address := served(t, func(conn *cws.Conn, _ *http.Request) { _ = conn.Close(c.status, "for now") }, nil)
		r := open(t, websocket.New(address, websocket.Options[string, string]{StopAtClose: c.stop}), nil)
		_, _, err := readSome(t, r, 1)
		if (err == io.EOF) != c.end || !c.end && (err == nil || !strings.Contains(err.Error(), "for now")) {
			t.Errorf("status %d, StopAtClose %v: %v", c.status, c.stop, err)
		}
	}
}

func TestEachChannelIsASplit(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		_, data, err := c.Read(r.Context())
		if err == nil {
			_ = c.Write(r.Context(), cws.MessageText, data)
		}
		_, _, _ = c.Read(r.Context())
	}, nil)
	from := websocket.New(address, websocket.Options[string, string]{
		Channels: []string{"wind", "sun"},
		Subscribe: func(ctx context.Context, s *websocket.Session) error {
			return s.Send(ctx, websocket.Text("of "+s.Channel()))
		},
		Decode: func(m websocket.Message, into *source.Batch[string, string]) error {
			into.Records = append(into.Records, weir.Record[string, string]{Key: m.Channel, Value: string(m.Data)})
			return nil
		},
	})
	records, _, err := readSome(t, open(t, from, nil), 1)
	if err != nil || records[0].Key != "wind" || records[0].Value != "of wind" || from.Slots() != 2 {
		t.Errorf("%v, %v, %d slots", records, err, from.Slots())
	}
	r, err := from.Open(t.Context(), task(), source.Split{ID: "rain"}, nil) // which was a channel once
	if err != nil {
		t.Fatal(err)
	}
	if later, ok := errors.AsType[*weir.RetryLaterError](r.Read(t.Context(), &source.Batch[string, string]{})); !ok || later.Wait() != time.Minute {
		t.Errorf("got %v", later)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestASubscriptionMayWaitForAnswers(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		if _, _, err := c.Read(r.Context()); err == nil {
			_ = c.Write(r.Context(), cws.MessageBinary, []byte("welcome"))
		}
		_ = c.Write(r.Context(), cws.MessageText, []byte(`"data"`))
		_, _, _ = c.Read(r.Context())
	}, nil)
	var answer websocket.Message
	r := open(t, websocket.New(address, websocket.Options[string, string]{
		Subscribe: func(ctx context.Context, s *websocket.Session) (err error) {
			if err := s.Send(ctx, websocket.Message{Data: []byte("hello"), Binary: true}); err != nil {
				return err
			}
			answer, err = s.Receive(ctx)
			return err
		},
	}), nil)
	records, _, err := readSome(t, r, 1)
	if err != nil || records[0].Value != "data" || string(answer.Data) != "welcome" || !answer.Binary {
		t.Errorf("%v, %v, %+v", records, err, answer)
	}
}

func TestTheCertificateOfTheServerIsChecked(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := cws.Accept(w, r, nil); err == nil {
			_ = c.Write(r.Context(), cws.MessageText, []byte(`"a"`))
			_, _, _ = c.Read(r.Context())
			_ = c.CloseNow()
		}
	}))
	s.Config.ErrorLog = slog.NewLogLogger(discard.Handler(), slog.LevelError)
	s.EnableHTTP2 = true // which a WebSocket must not choose
	s.StartTLS()
	defer s.Close()
	address := "wss" + strings.TrimPrefix(s.URL, "https")
	err := websocket.New(address, websocket.Options[string, string]{}).Connect(t.Context())
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok || !strings.Contains(err.Error(), "Options.TLS") {
		t.Errorf("a certificate of an unknown authority: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	r := open(t, websocket.New(address, websocket.Options[string, string]{TLS: &tls.Config{RootCAs: roots}}), nil)
	if records, _, err := readSome(t, r, 1); err != nil || records[0].Value != "a" {
		t.Errorf("%v, %v", records, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestRefusalsSayWhatToDo(t *testing.T) {
	var status, requests atomic.Int64
	var end atomic.Pointer[context.CancelFunc] // ends the second attempt, as some statuses are tried again
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			(*end.Load())()
			<-r.Context().Done()
			return
		}
		w.Header().Set("Location", "https://elsewhere.example")
		w.WriteHeader(int(status.Load()))
	}))
	defer s.Close()
	address := "ws" + strings.TrimPrefix(s.URL, "http")
	for code, want := range map[int]struct {
		again bool
		text  string
	}{
		http.StatusUnauthorized: {false, "Options.Auth"}, http.StatusNotFound: {false, "check the address"}, http.StatusFound: {false, "redirects"},
		http.StatusOK: {false, "there may be no WebSocket"}, http.StatusBadGateway: {true, "502"}, http.StatusServiceUnavailable: {true, "503"},
	} {
		status.Store(int64(code))
		requests.Store(0)
		ctx, cancel := context.WithCancel(t.Context())
		end.Store(&cancel)
		from := websocket.New(address, websocket.Options[string, string]{})
		err := from.Connect(ctx)
		cancel()
		refused, ok := errors.AsType[*websocket.StatusError](err)
		if !ok || refused.Status != code || !strings.Contains(err.Error(), want.text) {
			t.Errorf("status %d: %v", code, err)
		}
		if _, again := from.Retry().Next(100, err); again != want.again {
			t.Errorf("status %d: tried again: %v", code, again)
		}
	}
}

func TestTheServerSaysHowLongToWait(t *testing.T) {
	var busy atomic.Bool
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if busy.Load() {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		if c, err := cws.Accept(w, r, nil); err == nil {
			_, _, _ = c.Read(r.Context())
			_ = c.CloseNow()
		}
	}))
	defer s.Close()
	from := websocket.New("ws"+strings.TrimPrefix(s.URL, "http"), websocket.Options[string, string]{})
	if err := from.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	busy.Store(true)
	_, err := from.Open(t.Context(), task(), source.Split{ID: "all"}, nil)
	if later, ok := errors.AsType[*weir.RetryLaterError](err); !ok || later.RetryAfter != 7*time.Second {
		t.Errorf("got %v", err)
	}
	if err := from.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestASubprotocolHasToBeSpoken(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		if c.Subprotocol() == "v2" {
			_ = c.Write(r.Context(), cws.MessageText, []byte(`"v2"`))
		}
		_, _, _ = c.Read(r.Context())
	}, &cws.AcceptOptions{Subprotocols: []string{"v2"}})
	err := websocket.New(address, websocket.Options[string, string]{Subprotocols: []string{"v9"}}).Connect(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Options.Subprotocols") {
		t.Errorf("got %v", err)
	}
	r := open(t, websocket.New(address, websocket.Options[string, string]{Subprotocols: []string{"v9", "v2"}}), nil)
	if records, _, err := readSome(t, r, 1); err != nil || records[0].Value != "v2" {
		t.Errorf("%v, %v", records, err)
	}
}

func TestCompressedMessagesAreRead(t *testing.T) {
	long := strings.Repeat("compressed ", 1000)
	address := served(t, func(c *cws.Conn, r *http.Request) {
		if !strings.Contains(r.Header.Get("Sec-WebSocket-Extensions"), "permessage-deflate") {
			return
		}
		_ = c.Write(r.Context(), cws.MessageText, fmt.Appendf(nil, "%q", long))
		_, _, _ = c.Read(r.Context())
	}, &cws.AcceptOptions{CompressionMode: cws.CompressionContextTakeover})
	r := open(t, websocket.New(address, websocket.Options[string, string]{Compress: true}), nil)
	if records, _, err := readSome(t, r, 1); err != nil || records[0].Value != long {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func TestMistakesOfOptionsAreFoundTogether(t *testing.T) {
	from := websocket.New("ws://feed.example/v1?token=abcdefgh", websocket.Options[string, string]{
		Channels: []string{"a", "a"}, Headers: http.Header{"bad name": {"x"}}, Subprotocols: []string{"a b"}, Auth: websocket.Header("X", secret.New("")),
		PingInterval: -1, Heartbeat: "x", Proxy: secret.NewURL("::"),
	})
	err := from.Connect(t.Context())
	if !errors.Is(err, weir.ErrConfiguration) {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"Options.Channels", "Options.Headers", "Options.Subprotocols", "the secret of Auth", "Options.Heartbeat", "Options.Proxy", "without TLS"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	for address, want := range map[string]string{"http://h/": "neither ws nor wss", "ws://u:p@h/": "Options.Auth", "x": "malformed"} {
		err := websocket.New(address, websocket.Options[string, string]{}).Connect(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAReasonOfTheServerDoesNotShowSecrets(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		_ = c.Close(cws.StatusPolicyViolation, "bad token "+r.URL.Query().Get("token"))
	}, nil)
	subscribing := websocket.Options[string, string]{Subscribe: func(ctx context.Context, s *websocket.Session) error {
		_, err := s.Receive(ctx)
		return err
	}}
	from := websocket.New(address+"/?token=s3cret-t0ken", subscribing)
	if err := from.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer from.Close(t.Context())
	_, err := from.Open(t.Context(), task(), source.Split{ID: "all"}, nil)
	if err == nil || !strings.Contains(err.Error(), "bad token "+secret.Mask) {
		t.Errorf("of a subscription: %v", err)
	}
	r := open(t, websocket.New(address+"/?token=s3cret-t0ken", websocket.Options[string, string]{}), nil)
	if _, _, err := readSome(t, r, 1); err == nil || !strings.Contains(err.Error(), "bad token "+secret.Mask) {
		t.Errorf("of a connection: %v", err)
	}
}

func TestAHungServerDoesNotHoldTheReaderUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			defer c.Close() // it never answers
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	from := websocket.New("ws://"+listener.Addr().String(), websocket.Options[string, string]{Timeout: 50 * time.Millisecond})
	if err := from.Connect(ctx); err == nil || !strings.Contains(err.Error(), "Options.Timeout") {
		t.Errorf("got %v", err)
	}
}

func TestTextsAreSentInOrder(t *testing.T) {
	address := served(t, func(c *cws.Conn, r *http.Request) {
		var got []string
		for range 2 {
			_, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			got = append(got, string(data))
		}
		_ = c.Write(r.Context(), cws.MessageText, fmt.Appendf(nil, "%q", strings.Join(got, " ")))
		_, _, _ = c.Read(r.Context())
	}, nil)
	r := open(t, websocket.New(address, websocket.Options[string, string]{Subscribe: websocket.SendTexts("one", "two")}), nil)
	records, _, err := readSome(t, r, 1)
	if !slices.Equal(values(records), []string{"one two"}) {
		t.Errorf("%v, %v", records, err)
	}
}
