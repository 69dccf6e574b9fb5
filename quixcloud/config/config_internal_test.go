package config

import (
	"context"
	"errors"
	"fmt"
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
	"github.com/weirstreams/weir/row"
)

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

// L-52: the types without a valid version or content are named, and a path that finds nothing is none of that.
func TestUnresolvedTypesAreNamed(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 1000, `{"max":1}`)
	s.send(s.event("created", "texts", "dev1", 1, 1000, "/nowhere", ""))
	config := s.config()
	config.Fallback = FallbackDefault
	c := s.open(config)
	greatest, greeting, none := JSON("max", "limits", "$.max").Default(-1), Text("greeting", "texts").Default("?"), JSON("none", "", "$.none").Default(0)
	for _, test := range []struct {
		fields []Field
		second int64
		want   string
	}{
		{[]Field{greatest, Unresolved("missing")}, 1000, `{"max":1,"missing":[]}`},
		{[]Field{Unresolved("missing"), greatest}, 500, `{"missing":["limits"],"max":-1}`},
		{[]Field{greatest, none, Unresolved("missing")}, 500, `{"max":-1,"none":0,"missing":["limits"]}`}, // the query names the same type
		{[]Field{none, Unresolved("missing")}, 1000, `{"none":0,"missing":[]}`},
		{[]Field{greeting, Unresolved("missing"), greatest}, 1000, `{"greeting":"?","missing":["texts"],"max":1}`}, // not found
		{[]Field{greeting, Unresolved("missing"), greatest}, 500, `{"greeting":"?","missing":["limits","texts"],"max":-1}`},
	} {
		if got := ask(t, fields(t, c, test.fields...), query("dev1", test.second)); got != test.want {
			t.Errorf("at %d: got %s, want %s", test.second, got, test.want)
		}
	}
	_, err := c.Fields(greatest, Unresolved("max"), Unresolved("x").All(), Unresolved(""))
	for _, want := range []string{`field "max": there is another one`, `field "x": All and Default are not for Unresolved`, `field "": it has no column`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	if _, err := c.Fields(Unresolved("alone")); err == nil || !strings.Contains(err.Error(), "no fields") {
		t.Errorf("error %v, want no fields", err)
	}
}

// Records that wait for a configuration go by the changes of the lookup that they wait for, whatever is around it.
func TestLookupsOfConfigurationsTellTheirChanges(t *testing.T) {
	s := newService(t, 1)
	s.publish("limits", "dev1", 1, 1000, `{"max":1}`)
	c := s.open(s.config())
	columns, contents := fields(t, c, JSON("max", "", "$.max").Default(-1)), c.Contents(codec.Bytes())
	all := map[string]func() int64{
		"fields": join.SettingsOf(columns).Changes, "contents": join.SettingsOf(contents).Changes, "contents with a default": join.SettingsOf(contents.Default([]byte("none"))).Changes,
		"fields in a limit": join.SettingsOf(join.Limit(columns, join.Limits{})).Changes, "cached contents": join.SettingsOf(join.Cached(contents, join.CacheConfig{})).Changes,
	}
	for name, changes := range all {
		if changes == nil {
			t.Fatalf("%s: nothing tells the changes", name)
		}
		before := changes()
		s.send("no event")
		s.publish("limits", "dev1", 2, 2000, `{"max":2}`)
		await(t, "the change", func() bool { return changes() == before+1 })
		s.send(s.event("deleted", "limits", "dev1", 2, 2000, "", ""))
		await(t, "the deletion", func() bool { return changes() == before+2 })
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
