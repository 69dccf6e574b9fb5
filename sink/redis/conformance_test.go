package redis_test

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/redis"
	"github.com/weirstreams/weir/sink/sinktest"
)

type (
	options = redis.Options[*string, *string]
	record  = weir.Record[*string, *string]
	target  = sinktest.Target[*string, *string]
)

// poison is the key of records that the server refuses, as their name has a value of another kind.
const poison = "poison"

// isPoison reports whether a record is one that the server refuses.
func isPoison(r *record) bool { return r.Key != nil && *r.Key == poison }

// kit returns the target for options that set makes for a place, and a reader of it.
func kit(t *testing.T, p *place, set func(o *options, place string), read func(tb testing.TB, place string) []sinktest.Item) target {
	user := "default"
	through := p
	host, secretText := "", ""
	var relayed *nettest.Relay
	if p.nodes == nil {
		user, secretText = p.user(t, "~*", "&*", "+@all"), password
		relayed = nettest.NewRelay(t, p.url)
		host = relayed.Address()
	}
	made := func(place string) options {
		o := options{Timeout: 5 * time.Second, Retry: quickly, Cluster: p.nodes != nil}
		if p.nodes == nil {
			o.URL = secret.New(through.at(t, host, user, secretText))
		} else {
			o.URL = secret.New(p.url)
		}
		set(&o, p.prefix+place)
		return o
	}
	k := target{
		New:     func(_ testing.TB, place string) sink.Sink[*string, *string] { return redis.New(made(place)) },
		Record:  func(i sinktest.Item) (key, value *string) { return i.Pointers() },
		Read:    func(tb testing.TB, place string) []sinktest.Item { return read(tb, p.prefix+place) },
		Secrets: []string{password},
		Records: 20_000,
		Unreachable: func(testing.TB) sink.Sink[*string, *string] {
			o := made("nowhere")
			o.URL = secret.New("redis://user:" + password + "@127.0.0.1:1")
			return redis.New(o)
		},
	}
	if p.nodes != nil {
		return k
	}
	k.Push = func(tb testing.TB, _ string) func() {
		p.do(tb, "CONFIG", "SET", "maxmemory", "1")
		return func() { p.do(tb, "CONFIG", "SET", "maxmemory", "0") }
	}
	k.Break = func(testing.TB, string) func() {
		relayed.Refuse(true)
		return func() { relayed.Refuse(false) }
	}
	return k
}

// jsonOf is an item as the value of a record.
func jsonOf(r *record) ([]byte, error) { return json.Marshal(sinktest.OfPointers(r.Key, r.Value)) }

func itemOf(tb testing.TB, text string) (i sinktest.Item) {
	tb.Helper()
	must(tb, json.Unmarshal([]byte(text), &i))
	return i
}

// nameOf names each record after its key, below a place.
func nameOf(place string) func(r *record) (string, error) {
	return func(r *record) (string, error) {
		switch {
		case isPoison(r):
			return poison, nil
		case r.Key == nil:
			return place + ":null", nil
		}
		return place + ":=" + url.QueryEscape(*r.Key), nil
	}
}

func refusedRecord() (key, value *string) {
	k, v := poison, "value"
	return &k, &v
}

func both(t *testing.T, check func(t *testing.T, p *place)) {
	t.Run("server", func(t *testing.T) { check(t, newPlace(t)) })
	t.Run("cluster", func(t *testing.T) { check(t, newClusterPlace(t)) })
}

func TestStringsKeepThePromisesOfSinks(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		k := kit(t, p, func(o *options, place string) {
			o.Prefix, o.Value = place+":", jsonOf
		}, func(tb testing.TB, place string) (items []sinktest.Item) {
			for _, name := range p.names(tb, place+":") {
				items = append(items, itemOf(tb, p.do(tb, "GET", name).(string)))
			}
			return items
		})
		k.Idempotent, k.NoNullKeys = true, true
		sinktest.Run(t, k)
	})
}

// fieldsOf are the fields of an item.
func fieldsOf(r *record) (fields row.Row, err error) {
	fields = row.Row{}.With("nullKey", r.Key == nil).With("nullValue", r.Value == nil)
	if r.Key != nil {
		fields = fields.With("key", *r.Key)
	}
	if r.Value != nil {
		fields = fields.With("text", *r.Value)
	}
	return fields, nil
}

func ofHash(fields map[string]string) sinktest.Item {
	return sinktest.Item{Key: fields["key"], Value: fields["text"], NullKey: fields["nullKey"] == "true", NullValue: fields["nullValue"] == "true"}
}

func TestHashesKeepThePromisesOfSinks(t *testing.T) {
	for _, kind := range []redis.Kind{redis.Hash, redis.HashMerge} {
		t.Run(kind.String(), func(t *testing.T) {
			both(t, func(t *testing.T, p *place) {
				p.do(t, "DEL", poison)
				p.do(t, "SET", poison, "a string")
				k := kit(t, p, func(o *options, place string) {
					o.Kind, o.Key, o.Fields = kind, nameOf(place), fieldsOf
				}, func(tb testing.TB, place string) (items []sinktest.Item) {
					for _, name := range p.names(tb, place+":") {
						fields, err := p.client.HGetAll(context.Background(), name).Result()
						must(tb, err)
						items = append(items, ofHash(fields))
					}
					return items
				})
				k.Idempotent = true
				if kind == redis.HashMerge {
					k.Refused = refusedRecord
				}
				sinktest.Run(t, k)
			})
		})
	}
}

func TestSetsKeepThePromisesOfSinks(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		p.do(t, "DEL", poison)
		p.do(t, "SET", poison, "a string")
		k := kit(t, p, func(o *options, place string) {
			o.Kind, o.Value = redis.Set, jsonOf
			o.Key = func(r *record) (string, error) {
				if isPoison(r) {
					return poison, nil
				}
				return place, nil
			}
		}, func(tb testing.TB, place string) (items []sinktest.Item) {
			members, err := p.client.SMembers(context.Background(), place).Result()
			must(tb, err)
			for _, m := range members {
				items = append(items, itemOf(tb, m))
			}
			return items
		})
		k.Idempotent, k.Refused = true, refusedRecord
		sinktest.Run(t, k)
	})
}

// readStream returns the items of a stream with the fields that are made by default.
func readStream(tb testing.TB, p *place, name string) (items []sinktest.Item) {
	tb.Helper()
	entries, err := p.client.XRange(context.Background(), name, "-", "+").Result()
	must(tb, err)
	text := func(v any) *string {
		if v == nil {
			return nil
		}
		s := v.(string)
		return &s
	}
	for _, e := range entries {
		items = append(items, sinktest.OfPointers(text(e.Values["__key"]), text(e.Values["value"])))
	}
	return items
}

func TestStreamsKeepThePromisesOfSinks(t *testing.T) {
	for name, once := range map[string]bool{"at least once": false, "once": true} {
		t.Run(name, func(t *testing.T) {
			both(t, func(t *testing.T, p *place) {
				p.do(t, "DEL", poison)
				p.do(t, "SET", poison, "a string")
				k := kit(t, p, func(o *options, place string) {
					o.Kind, o.Once, o.OncePrefix = redis.Stream, once, "once-"+strings.ReplaceAll(place, ":", "-")
					o.Key = func(r *record) (string, error) {
						if isPoison(r) {
							return poison, nil
						}
						return place, nil
					}
				}, func(tb testing.TB, place string) []sinktest.Item { return readStream(tb, p, place) })
				k.Refused = refusedRecord
				k.Idempotent = once
				sinktest.Run(t, k)
			})
		})
	}
}

func TestPublishedMessagesReachSubscribersInOrder(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		channel := p.prefix + "news"
		subscription := p.client.Subscribe(t.Context(), channel)
		defer subscription.Close()
		if _, err := subscription.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		w := open(t, redis.Options[string, string]{URL: secret.New(p.url), Cluster: p.nodes != nil, Kind: redis.Publish, Name: channel}, "01")
		for _, text := range []string{"a", "", "b\r\nPUBLISH x y"} {
			must(t, w.add("k", text))
		}
		must(t, w.flush())
		for _, want := range []string{"a", "", "b\r\nPUBLISH x y"} {
			select {
			case m := <-subscription.Channel(client.WithChannelSize(10)):
				if m.Payload != want {
					t.Errorf("got %q, want %q", m.Payload, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("%q has not come", want)
			}
		}
	})
}
