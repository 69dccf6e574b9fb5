package nats_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/benchtest"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/source"
	"github.com/weirstreams/weir/source/nats"
)

func open[K, V any](tb testing.TB, o nats.Options[K, V], position []byte) (source.Reader[K, V], error) {
	tb.Helper()
	s := nats.New(o)
	must(tb, s.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, s.Close(context.Background())) })
	r, err := s.Open(tb.Context(), source.Task{Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}, source.Split{ID: "0"}, position)
	if err == nil {
		tb.Cleanup(func() { must(tb, r.Close()) })
	}
	return r, err
}

// read reads n records, and returns the position behind them.
func read[K, V any](tb testing.TB, r source.Reader[K, V], n int) (records []weir.Record[K, V], position []byte) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), 20*time.Second)
	defer cancel()
	for len(records) < n {
		var batch source.Batch[K, V]
		if err := r.Read(ctx, &batch); err != nil {
			tb.Fatalf("%d of %d records: %v", len(records), n, err)
		}
		records, position = append(records, batch.Records...), batch.Position
	}
	return records, position
}

func (p *place) publish(tb testing.TB, subject, text string) {
	tb.Helper()
	_, err := p.js.Publish(tb.Context(), subject, []byte(text))
	must(tb, err)
}

type state struct {
	On bool `json:"on"`
}

func TestAMessageIsARecordWithItsSubjectAsTheKey(t *testing.T) {
	p := newPlace(t)
	stream := p.stream(t, "states", nil)
	_, err := p.js.PublishMsg(t.Context(), &client.Msg{Subject: stream + ".a", Data: []byte(`{"on":true}`), Header: client.Header{"h": {"v", "w"}}})
	must(t, err)
	p.publish(t, stream+".other", "not for us")
	p.publish(t, stream+".b.x", "")
	r, err := open(t, nats.Options[string, state]{URL: secret.New(p.url), Stream: stream, Subjects: []string{stream + ".a", stream + ".b.*"}, Headers: true}, nil)
	must(t, err)
	got, _ := read(t, r, 2)
	for i := range got {
		if age := time.Since(got[i].Time()); age < -time.Minute || age > time.Minute {
			t.Errorf("the time is %v", got[i].Time())
		}
		got[i].Millis = 0
	}
	want := []weir.Record[string, state]{
		{Key: stream + ".a", Value: state{true}, Headers: []weir.Header{{Key: "h", Value: []byte("v")}, {Key: "h", Value: []byte("w")}}},
		{Key: stream + ".b.x", ValueNull: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestMessagesThatAreNoRecordsEndTheRunOrAreSkipped(t *testing.T) {
	p := newPlace(t)
	stream := p.stream(t, "invalid", nil)
	for _, text := range []string{`{"on":true}`, `{`, `{"on":false}`} {
		p.publish(t, stream+".a", text)
	}
	for _, skip := range []bool{false, true} {
		r, err := open(t, nats.Options[string, state]{URL: secret.New(p.url), Stream: stream, SkipInvalid: skip}, nil)
		must(t, err)
		if skip {
			read(t, r, 2)
			continue
		}
		read(t, r, 1)
		if err := r.Read(t.Context(), &source.Batch[string, state]{}); err == nil || !strings.Contains(err.Error(), "message 2 of stream "+stream) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestAnOutageHoldsTheReaderUpAndLosesNothing(t *testing.T) {
	p := newPlace(t)
	stream := p.stream(t, "outage", nil)
	relay := nettest.NewRelay(t, p.url)
	r, err := open(t, nats.Options[string, string]{URL: secret.New("nats://" + relay.Address()), Stream: stream, Timeout: 2 * time.Second}, nil)
	must(t, err)
	p.publish(t, stream+".m", "0")
	read(t, r, 1)
	relay.Refuse(true)
	p.publish(t, stream+".m", "1")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := r.Read(ctx, &source.Batch[string, string]{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the servers are away: %v", err)
	}
	relay.Refuse(false)
	p.publish(t, stream+".m", "2")
	got, _ := read(t, r, 2)
	if len(got) != 2 || got[0].Value != "1" || got[1].Value != "2" {
		t.Errorf("got %v", got)
	}
}

func TestAStreamThatIsMadeAnewIsNoticed(t *testing.T) {
	p := newPlace(t)
	stream := p.stream(t, "anew", nil)
	p.publish(t, stream+".m", "0")
	o := nats.Options[string, string]{URL: secret.New(p.url), Stream: stream}
	r, err := open(t, o, nil)
	must(t, err)
	_, position := read(t, r, 1)
	_, err = open(t, o, position)
	must(t, err)
	must(t, p.js.DeleteStream(t.Context(), stream))
	p.stream(t, "anew", nil)
	if _, err := open(t, o, position); !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), "was made anew") {
		t.Errorf("got %v", err)
	}
	if _, err := open(t, o, []byte("x")); err == nil || !strings.Contains(err.Error(), "no position") {
		t.Errorf("got %v", err)
	}
}

func TestASourceBeginsAtATime(t *testing.T) {
	p := newPlace(t)
	stream := p.stream(t, "since", nil)
	p.publish(t, stream+".m", "old")
	info, err := p.js.Stream(t.Context(), stream)
	must(t, err)
	since := info.CachedInfo().State.LastTime.Add(time.Nanosecond)
	p.publish(t, stream+".m", "new")
	r, err := open(t, nats.Options[string, string]{URL: secret.New(p.url), Stream: stream, Since: since}, nil)
	must(t, err)
	if got, _ := read(t, r, 1); got[0].Value != "new" {
		t.Errorf("got %v", got)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	p := newPlace(t)
	stream := p.stream(t, "right", nil)
	queue := p.stream(t, "queue", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy })
	secure := variable(t, "WEIR_TEST_NATS_TLS")
	trusted := x509.NewCertPool()
	pem, err := os.ReadFile(variable(t, "WEIR_TEST_NATS_CA"))
	must(t, err)
	trusted.AppendCertsFromPEM(pem)
	type options = nats.Options[string, string]
	at := func(url string) options { return options{URL: secret.New(url), Stream: stream} }
	for name, c := range map[string]struct {
		options
		want string // "" is success
	}{
		"all is well":          {at(p.url), ""},
		"a password":           {at(strings.Replace(p.url, "nats://", "nats://reader:right@", 1)), ""},
		"nothing":              {options{}, "URL is empty"},
		"no stream":            {options{URL: secret.New(p.url)}, "Stream is empty"},
		"a stream with a dot":  {options{URL: secret.New(p.url), Stream: "a.b"}, "no name of a stream"},
		"a subject of none":    {options{URL: secret.New(p.url), Stream: stream, Subjects: []string{"a..b"}}, "empty token"},
		"a negative bound":     {options{URL: secret.New(p.url), Stream: stream, Timeout: -1}, "must not be negative"},
		"another protocol":     {at("http://user:" + password + "@host"), "neither nats:// nor tls://"},
		"a malformed URL":      {at("nats://user:" + password + "@host:port"), "URL is malformed"},
		"nobody there":         {at("nats://user:" + password + "@127.0.0.1:1"), "no servers available"},
		"a wrong password":     {at(strings.Replace(p.url, "nats://", "nats://weir:"+password+"@", 1)), "are those of Options.URL"},
		"missing credentials":  {options{URL: secret.New(p.url), Stream: stream, Credentials: "/nowhere/user.creds"}, "/nowhere/user.creds"},
		"no such stream":       {options{URL: secret.New(p.url), Stream: "nowhere"}, "there is no stream"},
		"a work queue":         {options{URL: secret.New(p.url), Stream: queue}, "needs one that keeps them"},
		"an unknown authority": {at(secure), "certificate"},
		"TLS of another name":  {options{URL: secret.New(secure), Stream: stream, TLS: &tls.Config{RootCAs: trusted, ServerName: "other"}}, "certificate"},
		"TLS":                  {options{URL: secret.New(secure), Stream: stream, TLS: &tls.Config{RootCAs: trusted}}, "there is no stream"},
	} {
		t.Run(name, func(t *testing.T) {
			s := nats.New(c.options)
			secrettest.Hidden(t, s, password)
			err := s.Connect(t.Context())
			if err == nil {
				must(t, s.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil {
				secrettest.Absent(t, "the error", err.Error(), password)
			}
		})
	}
}

// BenchmarkSource compares the source with an ordered consumer of the client alone, which read the same messages of 100 bytes. One operation is 50,000 messages.
func BenchmarkSource(b *testing.B) {
	const total = 50_000
	p := newPlace(b)
	stream := p.stream(b, "bench", nil)
	for range total {
		_, err := p.js.PublishAsync(stream+".m", []byte(strings.Repeat("x", 100)), jetstream.WithStallWait(10*time.Second))
		must(b, err)
	}
	<-p.js.PublishAsyncComplete()
	b.Run("client", func(b *testing.B) {
		for range b.N {
			consumer, err := p.js.OrderedConsumer(b.Context(), stream, jetstream.OrderedConsumerConfig{})
			must(b, err)
			all, err := consumer.Messages(jetstream.PullMaxMessages(1000))
			must(b, err)
			for range total {
				_, err := all.Next()
				must(b, err)
			}
			all.Stop()
		}
	})
	b.Run("source", func(b *testing.B) {
		benchtest.ReadSplit(b, nats.New(nats.Options[string, []byte]{URL: secret.New(p.url), Stream: stream}), total, false)
	})
}
