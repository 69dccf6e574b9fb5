package config

import (
	"context"
	"encoding/hex"
	"encoding/json/v2"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/join"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/row"
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
