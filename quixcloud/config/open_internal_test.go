package config

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/kafka"
)

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
		if !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), want) {
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
