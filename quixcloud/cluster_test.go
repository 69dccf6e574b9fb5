package quixcloud_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/codec"
	"github.com/weirstreams/weir/internal/broker"
	"github.com/weirstreams/weir/internal/broker/saramabroker"
	"github.com/weirstreams/weir/internal/kafkaclient"
	"github.com/weirstreams/weir/internal/kafkatest"
	"github.com/weirstreams/weir/internal/portaltest"
	"github.com/weirstreams/weir/kafka"
	"github.com/weirstreams/weir/quixcloud"
	"github.com/weirstreams/weir/quixcloud/portal"
	"github.com/weirstreams/weir/runtime"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/store"
	"github.com/weirstreams/weir/stream"
)

func TestMain(m *testing.M) { kafkatest.VerifyTestMain(m) }

const patience = 60 * time.Second

// within returns a context that ends before a test would seem to hang.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	t.Cleanup(cancel)
	return ctx
}

// secured is a cluster that asks for a password and speaks TLS with a certificate of its own authority. A test on a real cluster needs
// WEIR_KAFKA_SECURE=yes for internal/testserver, as CI sets it.
func secured(t *testing.T) (address, certificate string) {
	t.Helper()
	if os.Getenv("WEIR_TEST_BROKERS") != "" {
		read := func(name string) string {
			dir := os.Getenv("WEIR_TEST_SECURE")
			if dir == "" {
				t.Skip("WEIR_TEST_SECURE is not set: run .ci/run kafka")
			}
			text, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimSpace(string(text))
		}
		return read("sasl_tls"), read("ca.pem")
	}
	issuer := httptest.NewTLSServer(http.NotFoundHandler())
	defer issuer.Close()
	k := kafkatest.Start(t, kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "weir", "right"),
		kfake.TLS(&tls.Config{Certificates: issuer.TLS.Certificates}))
	return k.Brokers[0], string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}))
}

// cloud is a portal, over HTTP, in front of such a cluster.
type cloud struct {
	*portaltest.Portal
	t         *testing.T
	workspace *portaltest.Workspace
	url       string
	cluster   broker.Cluster
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	address, certificate := secured(t)
	names := kafkatest.Kafka{}
	c := &cloud{t: t, workspace: &portaltest.Workspace{
		ID: names.Name("acme"), Name: "Development", Certificate: portaltest.Archive("ca.cert", []byte(certificate)), Pending: 1,
		Connection: map[string]any{
			"bootstrap.servers": address, "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-512", "sasl.username": "weir", "sasl.password": "right",
		},
	}}
	c.Portal = portaltest.New(c.workspace, &portaltest.Workspace{ID: "other", Name: "Other"})
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	client, err := portal.New(c.options().Portal)
	if err != nil {
		t.Fatal(err)
	}
	connection, err := client.Connection(within(t), c.workspace.ID)
	if err != nil {
		t.Fatal(err)
	}
	tune, err := kafkaclient.Tune(connection)
	if err != nil {
		t.Fatal(err)
	}
	if c.cluster, err = saramabroker.Open(within(t), saramabroker.Config{Brokers: connection.Brokers, Tune: tune, Logger: logger(t)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var names []string
		for _, topic := range c.Topics(c.workspace.ID) {
			names = append(names, topic.ID)
		}
		if err := errors.Join(c.cluster.(broker.Resetter).DeleteTopics(within(t), names...), c.cluster.Close()); err != nil {
			t.Log(err)
		}
	})
	c.Make = func(topic portaltest.Topic) error {
		settings := map[string]string{"cleanup.policy": strings.ToLower(topic.Policy), "retention.bytes": strconv.FormatInt(topic.Bytes, 10)}
		settings["retention.ms"] = strconv.FormatInt(max(topic.Minutes*60_000, -1), 10)
		return c.cluster.CreateTopics(within(t), broker.TopicSpec{Name: topic.ID, Partitions: int32(topic.Partitions), Replication: -1, Config: settings})
	}
	return c
}

func logger(t *testing.T) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// options are those of a program outside of the platform, whose token is good for two workspaces.
func (c *cloud) options() quixcloud.Options {
	return quixcloud.Options{
		Portal: portal.Config{URL: c.url, Token: secret.New(portaltest.Token)}, Workspace: "Development", Group: "totals", Logger: logger(c.t),
	}
}

// config returns the configuration of the workspace.
func (c *cloud) config(options quixcloud.Options) runtime.Config {
	c.t.Helper()
	config, err := quixcloud.Config(within(c.t), options)
	if err != nil {
		c.t.Fatal(err)
	}
	config.State.Dir, config.Workers, config.IgnoreSignals = c.t.TempDir(), 1, true
	return config
}

var (
	readings = stream.NewTopic("readings", codec.String(), codec.JSON[int]()).WithPartitions(2)
	totals   = stream.NewTopic("totals", codec.String(), codec.JSON[int]())
)

// summing adds up the numbers of each key, behind a repartition topic.
func summing() *stream.Topology {
	t := stream.NewTopology()
	t.From(readings).GroupByKey("again").MapState(store.NewCell[int]("sum"), func(c *store.Cell[int], n int) int {
		sum, _ := c.Get()
		c.Set(sum + n)
		return sum + n
	}).To(totals)
	return t
}

// A pipeline on a cluster that the portal has handed out, with topics, prefixes and changelogs that the portal has made.
func TestAPipelineRunsOnTheClusterOfAWorkspace(t *testing.T) {
	environment(t)
	c := newCloud(t)
	elsewhere := portaltest.Topic{ID: "elsewhere." + c.workspace.ID, Name: "totals", Status: "Ready", Partitions: 1, Policy: "Delete"} // no id of the usual form
	if err := c.Make(elsewhere); err != nil {
		t.Fatal(err)
	}
	c.Add(c.workspace.ID, elsewhere)
	for _, guarantee := range []runtime.Guarantee{runtime.AtLeastOnce, runtime.ExactlyOnce} { // the second finds the topics of the first
		config := c.config(c.options())
		config.Guarantee = guarantee
		app, err := runtime.New(summing(), config)
		if err != nil {
			t.Fatal(err)
		}
		ctx := within(t)
		p, err := app.Producer(ctx, kafka.ProducerOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 10 {
			if err := p.Send(ctx, readings, weir.Record[string, int]{Key: strconv.Itoa(n % 2), Value: n, Millis: time.Now().UnixMilli()}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(p.Flush(ctx), p.Close()); err != nil {
			t.Fatal(err)
		}
		if err := app.RunUntil(ctx, runtime.Until{Outputs: 10}); err != nil {
			t.Fatal(err)
		}
		consumer, err := app.Consumer(ctx, kafka.ConsumerOptions{Topics: []string{"totals"}, Group: "reader-" + strconv.Itoa(int(guarantee))})
		if err != nil {
			t.Fatal(err)
		}
		last := map[string]string{}
		for read, want := 0, 10*(1+int(guarantee)); read < want; {
			m, err := consumer.Poll(ctx, time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if m != nil {
				if m.Topic != "totals" {
					t.Fatalf("got a record of %q", m.Topic)
				}
				last[string(m.Key)] = string(m.Value)
				read++
			}
		}
		if err := consumer.Close(ctx); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"0": strconv.Itoa(20 * (1 + int(guarantee))), "1": strconv.Itoa(25 * (1 + int(guarantee)))} // the state goes on
		if diff := cmp.Diff(want, last); diff != "" {
			t.Errorf("totals (-want +got):\n%s", diff)
		}
	}
	partitions := map[string]int{}
	for _, topic := range c.Topics(c.workspace.ID) {
		partitions[strings.TrimPrefix(topic.ID, c.workspace.ID+"-")] = topic.Partitions
	}
	want := map[string]int{
		"readings": 2, elsewhere.ID: 1, "repartition__totals--readings--again": 2, "changelog__totals--repartition.readings.again--sum": 2, "inventory__totals": 1,
	}
	if diff := cmp.Diff(want, partitions); diff != "" {
		t.Errorf("topics (-want +got):\n%s", diff)
	}
	committed, err := c.cluster.CommittedOffsets(within(t), c.workspace.ID+"-totals",
		broker.TopicPartition{Topic: c.workspace.ID + "-readings"}, broker.TopicPartition{Topic: c.workspace.ID + "-readings", Partition: 1})
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, offset := range committed {
		sum += offset
	}
	if sum < 20 {
		t.Errorf("%d records are committed, of 20: %v", sum, committed)
	}
}

// Each of these is one error, before the first record.
func TestATopicThatCannotBeUsedEndsRunBeforeTheFirstRecord(t *testing.T) {
	environment(t)
	c := newCloud(t)
	for _, test := range []struct {
		name   string
		change func(*portaltest.Workspace)
		is     error
		want   string
	}{
		{"a quota", func(w *portaltest.Workspace) { w.MaxPartitions = 1 }, &portal.Error{}, `make topic "readings"`},
		{"made, and in error", func(w *portaltest.Workspace) { w.MaxPartitions, w.Broken = 0, "no space left" }, portal.ErrTopic, `"readings" is in the state of an error: no space left`},
		{"in error since before", func(w *portaltest.Workspace) { w.Broken = "" }, portal.ErrTopic, `"readings" is in the state of an error: no space left`},
	} {
		c.Change(c.workspace.ID, test.change)
		config := c.config(c.options())
		config.OnProcessed = func(weir.Origin) { t.Error("a record was processed") }
		app, err := runtime.New(summing(), config)
		if err != nil {
			t.Fatal(err)
		}
		err = app.Run(within(t))
		_, refused := errors.AsType[*portal.Error](err)
		if !errors.Is(err, test.is) && !refused || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
}

// Credentials are read once: those that were changed meanwhile are one clear error, and the next start has the new ones.
func TestALoginThatWasChangedIsOneErrorUntilTheNextStart(t *testing.T) {
	environment(t)
	c := newCloud(t)
	right := c.workspace.Connection["sasl.password"]
	login := func(password any) {
		c.Change(c.workspace.ID, func(w *portaltest.Workspace) { w.Connection["sasl.password"] = password })
	}
	login("f0rmer-password")
	config := c.config(c.options())
	for _, password := range []any{"f0rmer-password", right} {
		login(password)
		if password == right {
			config = c.config(c.options()) // as the next start does
		}
		config.BrokerTimeout = 5 * time.Second
		refusal, says := weir.ErrUnauthorized, ""
		if os.Getenv("WEIR_TEST_BROKERS") == "" { // kfake closes the connection
			config.BrokerTimeout = 300 * time.Millisecond
			refusal, says = weir.ErrUnavailable, "the connection was closed at the login"
		}
		app, err := runtime.New(summing(), config)
		if err != nil {
			t.Fatal(err)
		}
		_, err = app.Plan(within(t))
		if password == right {
			if err != nil {
				t.Errorf("got %v", err)
			}
			continue
		}
		text := fmt.Sprint(err)
		if !errors.Is(err, refusal) || !strings.Contains(text, says) || !strings.Contains(text, config.Connection.Brokers[0]) || strings.Contains(text, "f0rmer-password") {
			t.Errorf("got %v", err)
		}
	}
}
