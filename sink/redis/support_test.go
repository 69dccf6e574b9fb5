package redis_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/redis"
)

const password = "s3cret-of-the-sink"

// place is a server for a test, with a prefix of its names.
type place struct {
	url    string
	client client.UniversalClient
	prefix string
	nodes  []string // of a cluster
}

var places atomic.Int64

func newPlace(tb testing.TB) *place {
	tb.Helper()
	text := variable(tb, "WEIR_TEST_REDIS")
	o, err := client.ParseURL(text)
	if err != nil {
		tb.Fatal(err)
	}
	p := &place{url: text, client: client.NewClient(o), prefix: fmt.Sprintf("t%d-%d:", time.Now().UnixNano(), places.Add(1))}
	tb.Cleanup(func() { p.client.Close() })
	return p
}

func newClusterPlace(tb testing.TB) *place {
	tb.Helper()
	nodes := strings.Split(variable(tb, "WEIR_TEST_REDIS_CLUSTER"), ",")
	p := &place{url: nodes[0], prefix: fmt.Sprintf("t%d-%d:", time.Now().UnixNano(), places.Add(1))}
	for _, node := range nodes {
		p.nodes = append(p.nodes, strings.TrimPrefix(node, "redis://"))
	}
	p.client = client.NewClusterClient(&client.ClusterOptions{Addrs: p.nodes})
	tb.Cleanup(func() { p.client.Close() })
	return p
}

func variable(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" {
		tb.Skip("needs a Redis: go run github.com/weirstreams/weir/internal/testserver redis -- go test")
	}
	return value
}

// at returns the URL with another host and login, where they are not empty.
func (p *place) at(tb testing.TB, host, user, password string) string {
	tb.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		tb.Fatal(err)
	}
	if host != "" {
		u.Host = host
	}
	if user != "" {
		u.User = url.UserPassword(user, password)
	}
	return u.String()
}

// user makes a user of the server with rules, for the time of the test, and returns its name.
func (p *place) user(tb testing.TB, rules ...string) string {
	tb.Helper()
	name := fmt.Sprintf("u%d", places.Add(1))
	args := []any{"ACL", "SETUSER", name, "on", ">" + password}
	for _, r := range rules {
		args = append(args, r)
	}
	p.do(tb, args...)
	tb.Cleanup(func() { p.do(tb, "ACL", "DELUSER", name) })
	return name
}

func (p *place) do(tb testing.TB, args ...any) any {
	tb.Helper()
	answer, err := p.client.Do(context.Background(), args...).Result()
	if err != nil {
		tb.Fatalf("%v: %v", args, err)
	}
	return answer
}

// names returns the names on the server that begin with a prefix.
func (p *place) names(tb testing.TB, prefix string) (names []string) {
	tb.Helper()
	scan := func(ctx context.Context, c client.Cmdable) error {
		all := c.Scan(ctx, 0, prefix+"*", 1000).Iterator()
		for all.Next(ctx) {
			names = append(names, all.Val())
		}
		return all.Err()
	}
	var err error
	if p.nodes == nil {
		err = scan(context.Background(), p.client)
	} else {
		for _, node := range p.nodes {
			c := client.NewClient(&client.Options{Addr: node})
			err = scan(context.Background(), c)
			c.Close()
			if err != nil {
				break
			}
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return names
}

// quickly are attempts for tests: two, one after the other.
var quickly = weir.Retry{Attempts: 2, FirstWait: time.Millisecond}

// task is a sink with the writer of a task, and its input.
type task[K, V any] struct {
	tb     testing.TB
	to     sink.Sink[K, V]
	writer sink.Writer[K, V]
	epoch  string
	id     int64
	// from is the first offset of the next checkpoint, and next that of the next record.
	from, next int64
}

// open connects a sink and opens the writer of a task.
func open[K, V any](tb testing.TB, o redis.Options[K, V], epoch string) *task[K, V] {
	tb.Helper()
	t := &task[K, V]{tb: tb, to: redis.New(o), epoch: epoch}
	must(tb, t.to.Connect(tb.Context()))
	tb.Cleanup(func() { must(tb, t.to.Close(context.Background())) })
	var err error
	t.writer, err = t.to.Writer(tb.Context(), sink.Task{Application: "app", SubTopology: "in", Sink: "redis"})
	must(tb, err)
	return t
}

// add adds a record with the next offset.
func (t *task[K, V]) add(key K, value V) error {
	r := weir.Record[K, V]{Key: key, Value: value, Millis: 1767225600000 + t.next, Origin: &weir.Origin{Topic: "in", Offset: t.next}}
	t.next++
	return t.writer.Add(t.tb.Context(), &r)
}

func (t *task[K, V]) flush() error {
	t.id++
	return t.writer.Flush(t.tb.Context(), sink.Checkpoint{
		ID: t.id, Epoch: t.epoch, Positions: []sink.Position{{Topic: "in", From: t.from, To: t.next}},
	})
}

// commit says that the checkpoint of the last flush has committed.
func (t *task[K, V]) commit() { t.from = t.next }

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
