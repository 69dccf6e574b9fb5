package config

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/v2"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// service is a configuration service: a topic and contents.
type service struct {
	t        *testing.T
	kafka    *kafkatest.Kafka
	topic    string
	producer sarama.SyncProducer
	http     *httptest.Server

	mu       sync.Mutex // guards what follows
	contents map[string]string
	requests []string // paths
	headers  http.Header
	status   int // of all answers, if not 0
	block    chan struct{}
}

func newService(t *testing.T, partitions int32) *service {
	t.Helper()
	k := kafkatest.Start(t)
	s := &service{t: t, kafka: k, topic: k.Topic(t, "configurations", partitions), contents: map[string]string{}}
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Producer.Return.Successes = true
	var err error
	if s.producer, err = sarama.NewSyncProducer(k.Brokers, config); err != nil {
		t.Fatal(err)
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(func() {
		s.http.Close()
		s.producer.Close()
	})
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r.URL.Path)
	s.headers = r.Header
	status, block := s.status, s.block
	content, ok := s.contents[r.URL.Path]
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case status != 0:
		w.WriteHeader(status)
	case strings.HasPrefix(r.URL.Path, "/moved"):
		http.Redirect(w, r, strings.TrimPrefix(r.URL.Path, "/moved"), http.StatusFound)
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		fmt.Fprint(w, content)
	}
}

func (s *service) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.requests)
}

func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// send writes messages to the topic.
func (s *service) send(values ...string) {
	s.t.Helper()
	for _, v := range values {
		if _, _, err := s.producer.SendMessage(&sarama.ProducerMessage{Topic: s.topic, Key: sarama.StringEncoder("k"), Value: sarama.StringEncoder(v)}); err != nil {
			s.t.Fatal(err)
		}
	}
}

// publish publishes a version that is valid from some seconds on, without a checksum.
func (s *service) publish(kind, key string, number, validFrom int64, content string) {
	s.t.Helper()
	path := fmt.Sprintf("/%s/%s/%d", kind, strings.ReplaceAll(key, "*", "all"), number)
	s.set(func() { s.contents[path] = content })
	s.send(s.event("created", kind, key, number, validFrom, path, ""))
}

func (s *service) event(what, kind, key string, number, validFrom int64, path, sum string) string {
	s.t.Helper()
	sha := idOf(kind, key)
	text, err := json.Marshal(map[string]any{
		"id": hex.EncodeToString(sha[:]), "event": what, "contentUrl": s.http.URL + path,
		"metadata": map[string]any{
			"type": kind, "target_key": key, "valid_from": time.Unix(validFrom, 0).UTC().Format(time.RFC3339), "version": number, "sha256sum": sum,
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

func (s *service) config() Config {
	return Config{
		Connection: kafka.Connection{Brokers: s.kafka.Brokers}, Topic: s.topic, Logger: slog.New(slog.DiscardHandler),
		refresh: 200 * time.Millisecond,
	}
}

func (s *service) open(c Config) *Configurations {
	s.t.Helper()
	configurations, err := Open(s.t.Context(), c)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := configurations.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return configurations
}

// fields returns a lookup of fields.
func fields(t *testing.T, c *Configurations, f ...Field) join.Lookup[Query, row.Row] {
	t.Helper()
	l, err := c.Fields(f...)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func query(key string, second int64) Query {
	return Query{Type: "limits", TargetKey: key, Time: time.Unix(second, 0)}
}

// ask looks one query up, and shows the row.
func ask(t *testing.T, l join.Lookup[Query, row.Row], q Query) string {
	t.Helper()
	text, err := try(t, l, q)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func try(t *testing.T, l join.Lookup[Query, row.Row], q Query) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return tryWithin(ctx, l, q)
}

func tryWithin(ctx context.Context, l join.Lookup[Query, row.Row], q Query) (string, error) {
	found := make([]*row.Row, 1)
	if err := l.Lookup(ctx, []Query{q}, found); err != nil {
		return "", err
	}
	if found[0] == nil {
		return "none", nil
	}
	return found[0].String(), nil
}

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	late := time.After(30 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// L-31, L-33, L-34, L-35, L-36, D-J8: what is there when it is opened, and what comes later. What is deleted counts no more.
func TestConfigurationsFollowTheirTopic(t *testing.T) {
	s := newService(t, 3)
	s.publish("limits", "dev1", 1, 1000, `{"max":1}`)
	s.publish("limits", "dev1", 2, 2000, `{"max":2}`)
	s.publish("limits", "*", 1, 0, `{"max":9}`)
	s.send("no event", "") // the second has an empty value
	if _, _, err := s.producer.SendMessage(&sarama.ProducerMessage{Topic: s.topic, Key: sarama.StringEncoder("k")}); err != nil {
		t.Fatal(err)
	}
	config := s.config()
	var progress []Progress
	config.OnProgress = func(p Progress) { progress = append(progress, p) }
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max").Default(-1))
	for _, step := range []struct {
		key    string
		second int64
		want   string
	}{
		{"dev1", 500, `{"max":-1}`}, // there is a configuration, but no version: the wildcard does not count
		{"dev1", 1000, `{"max":1}`},
		{"dev1", 2500, `{"max":2}`},
		{"dev2", 2500, `{"max":9}`},
	} {
		if got := ask(t, limit, query(step.key, step.second)); got != step.want {
			t.Errorf("%s at %d: got %s, want %s", step.key, step.second, got, step.want)
		}
	}
	status := c.Status()
	if status.Configurations != 2 || status.Versions != 3 || status.Records != 6 || status.Skipped != 2 || status.Err != nil {
		t.Errorf("got %+v", status)
	}
	if last := progress[len(progress)-1]; last != (Progress{Partitions: 3, Done: 3, Records: 6}) {
		t.Errorf("got %+v", last)
	}

	s.publish("limits", "dev1", 3, 0, `{"max":3}`)
	await(t, "a version that overrides all", func() bool { return ask(t, limit, query("dev1", 500)) == `{"max":3}` })
	s.send(s.event("deleted", "limits", "dev1", 3, 0, "", ""))
	await(t, "the deletion", func() bool { return ask(t, limit, query("dev1", 2500)) == `{"max":2}` })
	s.send(s.event("deleted", "limits", "dev1", 2, 0, "", ""), s.event("deleted", "limits", "dev1", 1, 0, "", ""))
	await(t, "the wildcard", func() bool { return ask(t, limit, query("dev1", 500)) == `{"max":9}` })
	s.send(s.event("deleted", "limits", "nobody", 2, 0, "", "")) // means nothing
	await(t, "the last event", func() bool { return c.Status().Records == 11 })
	if err := c.Err(); err != nil {
		t.Error(err)
	}
}

// L-38, L-41, D-J8: each field set has its own columns and defaults, and a content is fetched once for all.
func TestFieldsOfOneContent(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1,"names":["a","b"]}`)
	s.publish("texts", "dev1", 1, 0, "hello")
	c := s.open(s.config())
	all := fields(t, c,
		JSON("first", "limits", "$.names[*]"), Text("greeting", "texts"), JSON("all", "limits", "$.names[*]").All(),
		JSON("none", "limits", "$.none[*]").All().Default("unused"), JSON("other", "limits", "$.other").Default(true))
	if got, want := ask(t, all, query("dev1", 1)), `{"first":"a","greeting":"hello","all":["a","b"],"none":[],"other":true}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for name, want := range map[string]string{"x": `{"x":1}`, "y": `{"y":1}`} {
		if got := ask(t, fields(t, c, JSON(name, "limits", "$.max")), query("dev1", 1)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for fill, want := range map[int]string{1: `{"x":1}`, 2: `{"x":2}`} {
		for _, q := range []Query{query("dev1", -5), query("nobody", 1)} {
			if got := ask(t, fields(t, c, JSON("x", "limits", "$.nothing").Default(fill)), q); got != want {
				t.Errorf("%v: got %s, want %s", q, got, want)
			}
		}
	}
	if n := s.asked(); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
	if info := c.CacheInfo(); info.Misses != 2 || info.Hits == 0 || info.Size != 2 || info.MaxSize != 1000 || info.Bytes != int64(len(`{"max":1,"names":["a","b"]}hello`)) {
		t.Errorf("got %+v", info)
	}
	for _, f := range []Field{JSON("x", "", "$.nothing"), JSON("x", "texts", "$")} {
		_, err := try(t, fields(t, c, f), query("dev1", 1))
		if !errors.Is(err, ErrMissing) && !errors.Is(err, ErrContent) || !strings.Contains(err.Error(), `"dev1"`) || !strings.Contains(err.Error(), `field "x"`) {
			t.Errorf("got %v", err)
		}
	}
	_, err := c.Fields(JSON("", "", "$"), JSON("x", "", "$["), JSON("y", "", "$"), Text("y", ""), Text("z", "").All())
	for _, want := range []string{`it has no column`, `path "$["`, `another one with this column`, "All is for JSON"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

type limits struct{ Max int }

func TestContentsAreDecoded(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"Max":7}`)
	s.publish("limits", "bad", 1, 0, `{"Max":`)
	c := s.open(s.config())
	lookup := c.Contents(codec.JSON[limits]())
	found := make([]*limits, 3)
	if err := lookup.Lookup(t.Context(), []Query{query("dev1", 1), query("nobody", 1), query("dev1", 2)}, found); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*limits{{7}, nil, {7}}, found); diff != "" || found[0] != found[2] {
		t.Error(diff)
	}
	clear(found)
	if err := lookup.Default(limits{1}).Lookup(t.Context(), []Query{query("nobody", 1)}, found[:1]); err != nil || *found[0] != (limits{1}) {
		t.Error(err, found[0])
	}
	for _, q := range []Query{query("bad", 1), {TargetKey: "dev1"}} {
		if err := lookup.Lookup(t.Context(), []Query{q}, make([]*limits, 1)); err == nil || !strings.Contains(err.Error(), q.String()) {
			t.Errorf("got %v", err)
		}
	}
}

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

// D-J10: records wait for a configuration that is not there yet, for as long as they are told.
func TestRecordsWaitForAConfiguration(t *testing.T) {
	s := newService(t, 1)
	config := s.config()
	config.Grace = 10 * time.Second
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max").Default(0))
	got := make(chan string)
	go func() {
		text, err := try(t, limit, query("dev1", 1))
		got <- fmt.Sprint(text, err)
	}()
	select {
	case text := <-got:
		t.Fatalf("did not wait: %s", text)
	case <-time.After(100 * time.Millisecond):
	}
	s.publish("limits", "dev1", 1, 0, `{"max":5}`)
	if text := <-got; text != `{"max":5}<nil>` {
		t.Errorf("got %s", text)
	}

	config.Grace = 200 * time.Millisecond
	short := s.open(config)
	limit = fields(t, short, JSON("max", "", "$.max").Default(0))
	began := time.Now()
	if got := ask(t, limit, query("nobody", 1)); got != `{"max":0}` || time.Since(began) < config.Grace {
		t.Errorf("got %s after %v", got, time.Since(began))
	}
	began = time.Now()
	if ask(t, limit, query("nobody", 2)); time.Since(began) > config.Grace {
		t.Errorf("waited again, for %v", time.Since(began))
	}
}

// D-J10: a call that ends while it waits says what it waits for, that it is not a record's fault, and the next one
// waits for the rest of the time only.
func TestRecordsWaitForLongerThanACall(t *testing.T) {
	kafkatest.Parallel(t)
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	config := s.config()
	config.Grace = 700 * time.Millisecond
	c := s.open(config)
	for name, lookup := range map[string]func(ctx context.Context, q ...Query) error{
		"fields": func(ctx context.Context, q ...Query) error {
			return fields(t, c, JSON("max", "", "$.max").Default(0)).Lookup(ctx, q, make([]*row.Row, len(q)))
		},
		"contents": func(ctx context.Context, q ...Query) error {
			return c.Contents(codec.JSON[limits]()).Lookup(ctx, q, make([]*limits, len(q)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			for calls := 1; ; calls++ {
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				err := lookup(ctx, query("dev1", 1), query(name, 1))
				cancel()
				if err == nil {
					if took := time.Since(began); calls < 3 || took < config.Grace || took > 5*config.Grace {
						t.Errorf("%d calls took %v", calls, took)
					}
					return
				}
				_, unavailable := errors.AsType[*weir.RetryLaterError](err)
				if text := err.Error(); !unavailable || !strings.Contains(text, "wait for configuration") || !strings.Contains(text, fmt.Sprintf("%q", name)) {
					t.Fatalf("call %d: got %v", calls, err)
				}
			}
		})
	}
}

// L-31, L-32, D-J8: what cannot work is an error, and nothing hangs.
func TestOpeningFails(t *testing.T) {
	s := newService(t, 1)
	unknown := s.config()
	unknown.Topic = "nobody-has-this"
	if _, err := Open(t.Context(), unknown); !errors.Is(err, weir.ErrUnknownTopic) || !strings.Contains(err.Error(), "nobody-has-this") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, s.config()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_, err := Open(t.Context(), Config{Connection: kafka.Connection{Brokers: []string{"x"}}, RetryBase: -1, Fallback: 7})
	for _, want := range []string{"Topic is empty", "not host:port", "RetryBase is negative", "Fallback: unknown value 7"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// L-32, D-J8: a cluster that is away shows, stops lookups when that lasts, and is followed again when it is back.
func TestAClusterThatIsAway(t *testing.T) {
	kafkatest.Parallel(t)
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	proxy := s.kafka.StartProxy(t)
	config := s.config()
	config.BrokerTimeout = time.Second
	config.Connection.Sarama = proxy.Detour().Take
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max").Default(0))
	ask(t, limit, query("dev1", 1))
	proxy.Block(true)
	await(t, "the trouble to show", func() bool { return errors.Is(c.Err(), weir.ErrUnavailable) })
	await(t, "lookups to fail", func() bool { _, err := try(t, limit, query("dev1", 1)); return errors.Is(err, ErrStale) })
	s.publish("limits", "dev1", 2, 0, `{"max":2}`)
	proxy.Block(false)
	await(t, "the cluster to be back", func() bool { return c.Err() == nil })
	await(t, "what was published meanwhile", func() bool { got, err := try(t, limit, query("dev1", 1)); return err == nil && got == `{"max":2}` })
}

func TestClosing(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	c := s.open(s.config())
	limit := fields(t, c, JSON("max", "", "$.max").Default(0))
	block := make(chan struct{})
	defer close(block)
	s.set(func() { s.block = block })
	failed := make(chan error)
	go func() {
		_, err := try(t, limit, query("dev1", 1))
		failed <- err
	}()
	await(t, "the request", func() bool { return s.asked() == 1 })
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := <-failed; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := try(t, limit, query("dev1", 1)); !errors.Is(err, ErrClosed) || !errors.Is(c.Err(), ErrClosed) {
		t.Errorf("got %v, %v", err, c.Err())
	}
}

// L-42, D-J8: events and records at the same time. Run with -race.
func TestRecordsAndEventsAtTheSameTime(t *testing.T) {
	s := newService(t, 2)
	config := s.config()
	config.CacheSize = 3
	c := s.open(config)
	limit := fields(t, c, JSON("max", "", "$.max").Default(0))
	var all sync.WaitGroup
	done := make(chan struct{})
	for worker := range 3 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				if _, err := try(t, limit, query(fmt.Sprint("dev", (i+worker)%5), 1)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range int64(60) {
		s.publish("limits", fmt.Sprint("dev", i%5), i, 0, fmt.Sprintf(`{"max":%d}`, i))
	}
	await(t, "all events", func() bool { return c.Status().Records == 60 })
	close(done)
	all.Wait()
	for i := range int64(5) {
		if got, want := ask(t, limit, query(fmt.Sprint("dev", i), 1)), fmt.Sprintf(`{"max":%d}`, 55+i); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if info := c.CacheInfo(); info.Size > 3 {
		t.Errorf("got %+v", info)
	}
}

// L-30: no group is joined, and nothing is committed.
func TestNoGroupIsNeeded(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 0, `{"max":1}`)
	if s.kafka.Real() {
		t.Skip("others use this cluster, too")
	}
	c := s.open(s.config())
	ask(t, fields(t, c, JSON("max", "", "$.max")), query("dev1", 1))
	await(t, "the topic to be looked at", func() bool { return c.Status().Records == 1 })
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	admin, err := sarama.NewClusterAdmin(s.kafka.Brokers, config)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if groups, err := admin.ListConsumerGroups(); err != nil || len(groups) != 0 {
		t.Errorf("got %v, %v", groups, err)
	}
}

// L-30: the replica shows in the name of the client.
func TestTheEnvironment(t *testing.T) {
	t.Setenv("Quix__Sdk__Token", "sesame")
	t.Setenv("Quix__Deployment__ReplicaName", "app-x-7")
	t.Setenv("ENRICH_VERSION_RETRY_BASE_DELAY", "2")
	t.Setenv("ENRICH_VERSION_RETRY_MAX_DELAY", "30")
	c, err := ConfigFromEnvironment()
	if err != nil || c.Token.Reveal() != "sesame" || c.RetryBase != 2*time.Second || c.RetryMax != 30*time.Second || c.Connection.ClientID != "quixconfig-7" {
		t.Errorf("got %+v, %v", c, err)
	}
	if text := fmt.Sprintf("%v %+v", c, c); strings.Contains(text, "sesame") {
		t.Error("the token shows")
	}
	t.Setenv("ENRICH_VERSION_RETRY_MAX_DELAY", "soon")
	if _, err := ConfigFromEnvironment(); err == nil || !strings.Contains(err.Error(), "ENRICH_VERSION_RETRY_MAX_DELAY") {
		t.Errorf("got %v", err)
	}
}
