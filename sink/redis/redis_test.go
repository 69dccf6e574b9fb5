package redis_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	client "github.com/redis/go-redis/v9"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/redis"
)

type reading struct {
	Sensor string   `json:"sensor"`
	Value  float64  `json:"value"`
	Count  int64    `json:"count"`
	Tags   []string `json:"tags,omitempty"`
	Note   *string  `json:"note"`
}

func TestValuesAreWrittenAsTextBytesOrJSON(t *testing.T) {
	p := newPlace(t)
	read := func(name string) string {
		t.Helper()
		return p.do(t, "GET", p.prefix+name).(string)
	}
	texts := open(t, redis.Options[string, string]{URL: secret.New(p.url), Prefix: p.prefix}, "01")
	must(t, texts.add("text", `as "it" is`))
	must(t, texts.flush())
	data := open(t, redis.Options[int64, []byte]{URL: secret.New(p.url), Prefix: p.prefix}, "01")
	must(t, data.add(7, []byte{0, 0xff, '\r', '\n'}))
	must(t, data.flush())
	structs := open(t, redis.Options[string, reading]{URL: secret.New(p.url), Prefix: p.prefix}, "01")
	must(t, structs.add("struct", reading{Sensor: "é", Value: 2, Count: 1 << 60}))
	must(t, structs.flush())
	pointers := open(t, redis.Options[string, *reading]{URL: secret.New(p.url), Prefix: p.prefix}, "01")
	must(t, pointers.add("struct2", &reading{}))
	must(t, pointers.add("struct2", nil))
	must(t, pointers.flush())
	got := []string{read("text"), read("7"), read("struct"), strings.Join(p.names(t, p.prefix+"struct2"), "")}
	want := []string{`as "it" is`, "\x00\xff\r\n", `{"sensor":"é","value":2,"count":1152921504606846976,"note":null}`, ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestHashesAreReplacedOrMerged(t *testing.T) {
	p := newPlace(t)
	note := "a note"
	for kind, want := range map[redis.Kind]map[string]string{
		redis.Hash:      {"sensor": "b", "value": "0.5", "count": "2"},
		redis.HashMerge: {"sensor": "b", "value": "0.5", "count": "2", "tags": `["x","y"]`},
	} {
		w := open(t, redis.Options[string, reading]{URL: secret.New(p.url), Kind: kind, Prefix: p.prefix + kind.String(), TTL: time.Hour}, "01")
		must(t, w.add("k", reading{Sensor: "a", Tags: []string{"x", "y"}, Note: &note}))
		must(t, w.flush())
		must(t, w.add("k", reading{Sensor: "b", Value: 0.5, Count: 2}))
		must(t, w.flush())
		got, err := p.client.HGetAll(t.Context(), p.prefix+kind.String()+"k").Result()
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v (-want +got):\n%s", kind, diff)
		}
		if ttl := p.client.PTTL(t.Context(), p.prefix+kind.String()+"k").Val(); ttl <= 59*time.Minute || ttl > time.Hour {
			t.Errorf("%v: the time to live is %v", kind, ttl)
		}
	}
}

func TestAHashMayHaveManyFields(t *testing.T) {
	p := newPlace(t)
	w := open(t, redis.Options[string, map[string]int]{URL: secret.New(p.url), Kind: redis.Hash, Prefix: p.prefix}, "01")
	fields := map[string]int{}
	for i := range 20_000 {
		fields[fmt.Sprint("f", i)] = i
	}
	must(t, w.add("k", fields))
	p.do(t, "SET", p.prefix+"none", "of another kind")
	p.do(t, "SET", p.prefix+"one", "of another kind")
	must(t, w.add("none", map[string]int{}))
	must(t, w.add("one", map[string]int{"f": 1}))
	must(t, w.flush())
	if kinds := p.do(t, "TYPE", p.prefix+"one").(string) + p.do(t, "TYPE", p.prefix+"none").(string); kinds != "hashnone" {
		t.Errorf("the kinds are %s", kinds)
	}
	if n := p.do(t, "HLEN", p.prefix+"k").(int64); n != 20_000 {
		t.Errorf("%d fields", n)
	}
}

func TestTimesToLiveAreThoseOfTheRecords(t *testing.T) {
	p := newPlace(t)
	w := open(t, redis.Options[string, int]{URL: secret.New(p.url), Prefix: p.prefix, TTLOf: func(r *weir.Record[string, int]) (time.Duration, error) {
		return time.Duration(r.Value) * time.Minute, nil
	}}, "01")
	must(t, w.add("short", 1))
	must(t, w.add("long", 60))
	must(t, w.add("ever", 1))
	must(t, w.add("ever", 0))
	if err := w.add("wrong", -1); err == nil {
		t.Error("a negative time to live was taken")
	}
	must(t, w.flush())
	for name, want := range map[string]time.Duration{"short": time.Minute, "long": time.Hour, "ever": -1} {
		got := p.client.PTTL(t.Context(), p.prefix+name).Val()
		if want < 0 && got != want || want > 0 && (got > want || got < want-10*time.Second) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestStreamsAreTrimmedAndHaveTheKeyAndTheTime(t *testing.T) {
	p := newPlace(t)
	w := open(t, redis.Options[string, reading]{URL: secret.New(p.url), Kind: redis.Stream, Name: p.prefix + "s", MaxLength: 100, TTL: time.Hour}, "01")
	for i := range 5000 {
		must(t, w.add("k", reading{Sensor: "a", Count: int64(i)}))
	}
	must(t, w.flush())
	if n := p.do(t, "XLEN", p.prefix+"s").(int64); n < 100 || n > 300 {
		t.Errorf("%d entries, want about 100", n)
	}
	last, err := p.client.XRevRangeN(t.Context(), p.prefix+"s", "+", "-", 1).Result()
	must(t, err)
	want := map[string]any{"__key": "k", "timestamp": "1767225604999", "sensor": "a", "value": "0.0", "count": "4999"}
	if diff := cmp.Diff(want, last[0].Values); diff != "" {
		t.Errorf("the last entry (-want +got):\n%s", diff)
	}
	if ttl := p.client.PTTL(t.Context(), p.prefix+"s").Val(); ttl <= 0 {
		t.Error("no time to live")
	}
}

func TestNamesAndValuesAreNeverReadAsCommands(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		evil := []string{
			"x\r\nSET " + p.prefix + "stolen 1\r\n", "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n", "'; redis.call('FLUSHALL') --", `" EX 1 "`, "EX", "*", "MAXLEN",
			"\x00", "{", "}", "{}", "{}{a}", "$-1", strings.Repeat("x", 1<<16), "key with spaces", "-1", "é漢🚰",
		}
		for _, kind := range []redis.Kind{redis.String, redis.Hash, redis.HashMerge, redis.Set, redis.Stream} {
			for _, once := range []bool{false, true} {
				prefix := p.prefix + kind.String() + strconv.FormatBool(once)
				w := open(t, redis.Options[string, map[string]string]{
					URL: secret.New(p.url), Cluster: p.nodes != nil, Kind: kind, Prefix: prefix, Once: once, OncePrefix: p.prefix + "once:",
				}, "01")
				for _, text := range evil {
					must(t, w.add(text, map[string]string{text: text, "n": "1"}))
				}
				must(t, w.flush())
				got := map[string]bool{}
				for _, name := range p.names(t, prefix) {
					got[strings.TrimPrefix(name, prefix)] = true
				}
				for _, text := range evil {
					if !got[text] {
						t.Errorf("%v: %.20q is missing", kind, text)
					}
				}
				if len(got) != len(evil) {
					t.Errorf("%v: %d names, want %d", kind, len(got), len(evil))
				}
				if kind == redis.Hash {
					for _, text := range evil {
						fields, err := p.client.HGetAll(t.Context(), prefix+text).Result()
						if must(t, err); !cmp.Equal(fields, map[string]string{text: text, "n": "1"}) {
							t.Errorf("fields of %.20q: %.200v", text, fields)
						}
					}
				}
			}
		}
		if stolen := p.names(t, p.prefix+"stolen"); len(stolen) > 0 {
			t.Error("a value was read as a command")
		}
	})
}

func TestOwnCommandsRunInOrderAndAtOnce(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		w := open(t, redis.Options[string, float64]{URL: secret.New(p.url), Cluster: p.nodes != nil, Commands: func(r *weir.Record[string, float64]) ([]redis.Command, error) {
			if r.Value < 0 {
				return nil, nil
			}
			name := p.prefix + "{scores}"
			return []redis.Command{{"ZADD", name, r.Value, []byte(r.Key)}, {"SET", name + "last", r.Value}, {"INCRBY", name + "count", 2}}, nil
		}}, "01")
		must(t, w.add("a", 1.5))
		must(t, w.add("b", -1))
		must(t, w.add("c", 0.25))
		must(t, w.flush())
		got := fmt.Sprint(p.client.ZRangeWithScores(t.Context(), p.prefix+"{scores}", 0, -1).Val(), p.do(t, "GET", p.prefix+"{scores}last"), " ", p.do(t, "GET", p.prefix+"{scores}count"))
		if want := "[{0.25 c} {1.5 a}]0.25 4"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestCommandsThatASinkCannotUseAreErrorsOfTheirRecords(t *testing.T) {
	p := newPlace(t)
	for _, c := range []redis.Command{{}, {"MULTI"}, {"subscribe", "x"}, {"BLPOP", "x", 0}, {"SET", "x", time.Now()}, {"SET", "x", nil}, {1, 2}, {"SET", "x", struct{}{}}, append(redis.Command{"RPUSH", "x"}, make([]any, 8000)...)} {
		w := open(t, redis.Options[string, int]{URL: secret.New(p.url), Commands: func(*weir.Record[string, int]) ([]redis.Command, error) { return []redis.Command{c}, nil }}, "01")
		if err := w.add("k", 1); err == nil {
			t.Errorf("%.40v was taken", c)
		}
	}
	w := open(t, redis.Options[string, int]{URL: secret.New(p.url), Commands: func(r *weir.Record[string, int]) ([]redis.Command, error) {
		return []redis.Command{{"SET", p.prefix + r.Key, r.Value}, {"NOSUCH", p.prefix + r.Key}}[:r.Value], nil
	}}, "01")
	must(t, w.add("a", 1))
	must(t, w.add("b", 2))
	must(t, w.add("c", 1))
	refused, ok := errors.AsType[sink.RecordErrors](w.flush())
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 1 || !strings.Contains(refused.Error(), p.prefix+"b") {
		t.Errorf("got %v", refused)
	}
	must(t, w.flush())
	if a, c := p.do(t, "GET", p.prefix+"a"), p.do(t, "GET", p.prefix+"c"); a != "1" || c != "1" {
		t.Errorf("the other records: %v, %v", a, c)
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	p := newPlace(t)
	cluster := newClusterPlace(t)
	reader := p.user(t, "~*", "+@all", "-set", "-hset")
	other := p.user(t, "~other:*", "+@all")
	plain := p.user(t, "~*", "+@all", "-@scripting")
	replica := newFake(t, func(int, []string) string { return "-READONLY You can't write against a read only replica.\r\n" })
	ca := x509.NewCertPool()
	pem, err := os.ReadFile(variable(t, "WEIR_TEST_REDIS_CA"))
	must(t, err)
	ca.AppendCertsFromPEM(pem)
	secure := variable(t, "WEIR_TEST_REDIS_TLS")
	type options = redis.Options[string, string]
	for name, c := range map[string]struct {
		options
		want string // "" is success
	}{
		"no URL":                          {options{}, "URL is empty"},
		"another protocol":                {options{URL: secret.New("http://user:" + password + "@host")}, "neither redis:// nor rediss://"},
		"a malformed URL":                 {options{URL: secret.New("redis://user:" + password + "@host:port")}, "URL is malformed"},
		"a database that is no number":    {options{URL: secret.New("redis://user:" + password + "@host/" + password)}, "not the number of a database"},
		"parameters":                      {options{URL: secret.New("redis://host?password=" + password)}, "parameters"},
		"two names":                       {options{URL: secret.New(p.url), Name: "a", Prefix: "b"}, "only one of Prefix, Name and Key"},
		"a TTL of what is published":      {options{URL: secret.New(p.url), Kind: redis.Publish, TTL: time.Hour}, "does not keep"},
		"an unknown kind":                 {options{URL: secret.New(p.url), Kind: 9}, "Kind 9 is unknown"},
		"a wrong password":                {options{URL: secret.New(p.at(t, "", reader, "wr0ng"))}, "WRONGPASS"},
		"no database 99":                  {options{URL: secret.New(p.url + "/99")}, "DB index is out of range"},
		"no permission for the command":   {options{URL: secret.New(p.at(t, "", reader, password))}, "may not run SET"},
		"no permission for the hash":      {options{URL: secret.New(p.at(t, "", reader, password)), Kind: redis.Hash}, "may not run HSET"},
		"no permission for the name":      {options{URL: secret.New(p.at(t, "", other, password)), Prefix: "mine:"}, `a name like "mine:weir"`},
		"permission for the name":         {options{URL: secret.New(p.at(t, "", other, password)), Prefix: "other:"}, ""},
		"no scripts, where none is used":  {options{URL: secret.New(p.at(t, "", plain, password)), Kind: redis.Hash}, ""},
		"no scripts":                      {options{URL: secret.New(p.at(t, "", plain, password)), Once: true}, "needs SCRIPT LOAD and EVALSHA"},
		"a cluster that is none":          {options{URL: secret.New(p.url), Cluster: true}, "do not set Options.Cluster"},
		"a node of a cluster":             {options{URL: secret.New(cluster.url)}, "set Options.Cluster"},
		"a cluster":                       {options{URL: secret.New(cluster.url), Cluster: true}, ""},
		"a cluster, the first node away":  {options{URL: secret.New("redis://127.0.0.1:1"), Addresses: cluster.nodes, Cluster: true}, ""},
		"nobody there":                    {options{URL: secret.New("redis://user:" + password + "@127.0.0.1:1"), Retry: quickly}, "connection refused"},
		"TLS, of an unknown authority":    {options{URL: secret.New(secure), Retry: quickly}, "certificate"},
		"TLS":                             {options{URL: secret.New(secure), TLS: &tls.Config{RootCAs: ca}}, ""},
		"TLS, of another name":            {options{URL: secret.New(secure), TLS: &tls.Config{RootCAs: ca, ServerName: "other"}, Retry: quickly}, "certificate"},
		"TLS, where there is none":        {options{URL: secret.New("rediss" + strings.TrimPrefix(p.url, "redis")), Timeout: 2 * time.Second, Retry: quickly}, "deadline exceeded"},
		"an old server, without scripts ": {options{URL: secret.New(replica.url())}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			to := redis.New(c.options)
			err := to.Connect(t.Context())
			if err == nil {
				must(t, to.Close(context.Background()))
			}
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), password) || strings.Contains(err.Error(), "wr0ng") || strings.Contains(err.Error(), "right")) {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}

func TestAReplicaTakesNoRecords(t *testing.T) {
	p := newPlace(t)
	w := open(t, redis.Options[string, string]{URL: secret.New(p.url), Prefix: p.prefix, Retry: quickly}, "01")
	must(t, w.add("k", "v"))
	p.do(t, "REPLICAOF", "127.0.0.1", "1")
	defer p.do(t, "REPLICAOF", "NO", "ONE")
	if err := redis.New(redis.Options[string, string]{URL: secret.New(p.url)}).Connect(t.Context()); !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), "replica") {
		t.Errorf("connect: %v", err)
	}
	if err := w.flush(); !errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("write: %v", err)
	}
	p.do(t, "REPLICAOF", "NO", "ONE")
	must(t, w.flush())
	if got := p.do(t, "GET", p.prefix+"k"); got != "v" {
		t.Errorf("got %v", got)
	}
}

func TestAFailedWriteIsRepeatedWithThoseOfItsKeyBehindIt(t *testing.T) {
	f := newFake(t, func(n int, _ []string) string {
		if n == 2 {
			return "-OOM command not allowed when used memory > 'maxmemory'.\r\n"
		}
		return "+OK\r\n"
	})
	w := open(t, redis.Options[string, string]{URL: secret.New(f.url()), Retry: quickly}, "01")
	for _, v := range []string{"a1", "b1", "a2", "b2", "c1"} {
		must(t, w.add(v[:1], v))
	}
	must(t, w.flush())
	want := []string{"SET a a1", "SET b b1", "SET a a2", "SET b b2", "SET c c1", "SET b b1", "SET b b2"}
	if diff := cmp.Diff(want, f.seen()); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
}

func TestAServerThatDoesNotAnswerIsNotWaitedForWithoutEnd(t *testing.T) {
	f := newFake(t, func(int, []string) string { return "" })
	w := open(t, redis.Options[string, string]{URL: secret.New(f.url()), Timeout: 300 * time.Millisecond, Retry: quickly}, "01")
	must(t, w.add("k", "v"))
	if err := w.flush(); !errors.As(err, new(*weir.RetryLaterError)) {
		t.Errorf("got %v", err)
	}
	slow := open(t, redis.Options[string, string]{URL: secret.New(f.url()), Timeout: 5 * time.Second}, "01")
	must(t, slow.add("k", "v"))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 100*time.Millisecond, errGivenUp)
	defer cancel()
	began := time.Now()
	if err := slow.writer.Flush(ctx, sink.Checkpoint{ID: 1}); !errors.Is(err, errGivenUp) || time.Since(began) > 3*time.Second {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
}

var errGivenUp = errors.New("the partitions are given up")

func TestAPermissionThatIsTakenAwayEndsTheRun(t *testing.T) {
	p := newPlace(t)
	user := p.user(t, "~*", "+@all")
	for _, kind := range []redis.Kind{redis.String, redis.Hash} {
		p.do(t, "ACL", "SETUSER", user, "+@all")
		w := open(t, redis.Options[string, string]{URL: secret.New(p.at(t, "", user, password)), Kind: kind, Prefix: p.prefix}, "01")
		p.do(t, "ACL", "SETUSER", user, "-set", "-hset")
		must(t, w.add("k", "v"))
		err := w.flush()
		if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) {
			t.Errorf("%v: %v", kind, err)
		}
	}
}

func TestAServerThatHasLostItsScriptsGetsThemAgain(t *testing.T) {
	both(t, func(t *testing.T, p *place) {
		w := open(t, redis.Options[string, reading]{URL: secret.New(p.url), Cluster: p.nodes != nil, Kind: redis.Hash, Prefix: p.prefix}, "01")
		must(t, p.client.ScriptFlush(t.Context()).Err())
		for i := range 100 {
			must(t, w.add(fmt.Sprint("k", i), reading{Sensor: "a"}))
		}
		must(t, w.flush())
		if n := len(p.names(t, p.prefix)); n != 100 {
			t.Errorf("%d hashes", n)
		}
	})
}

// TestWritesFollowASlotThatMoves moves a slot between two writes, and while its names are on two nodes.
func TestWritesFollowASlotThatMoves(t *testing.T) {
	p := newClusterPlace(t)
	for _, kind := range []redis.Kind{redis.String, redis.Stream} {
		tag := "{" + p.prefix + kind.String() + "}"
		w := open(t, redis.Options[string, string]{URL: secret.New(p.url), Cluster: true, Kind: kind, Prefix: tag, Once: kind == redis.Stream, OncePrefix: p.prefix}, "01")
		must(t, w.add("k", "v0"))
		must(t, w.flush())
		w.commit()
		slot := p.client.ClusterKeySlot(t.Context(), tag).Val()
		nodes := make([]*client.Client, len(p.nodes))
		ids := make([]string, len(p.nodes))
		from := -1
		for i, address := range p.nodes {
			nodes[i] = client.NewClient(&client.Options{Addr: address})
			defer nodes[i].Close()
			ids[i] = nodes[i].ClusterMyID(t.Context()).Val()
			if nodes[i].Exists(t.Context(), tag+"k").Err() == nil {
				from = i
			}
		}
		to := (from + 1) % len(nodes)
		host, port, _ := strings.Cut(p.nodes[to], ":")
		must(t, nodes[to].Do(t.Context(), "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from]).Err())
		must(t, nodes[from].Do(t.Context(), "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to]).Err())
		for _, name := range nodes[from].ClusterGetKeysInSlot(t.Context(), int(slot), 100).Val() {
			must(t, nodes[from].Migrate(t.Context(), host, port, name, 0, 5*time.Second).Err())
		}
		for i := 1; i <= 100; i++ { // on two nodes: the former owner answers ASK
			must(t, w.add("k", fmt.Sprint("v", i)))
		}
		must(t, w.flush())
		w.commit()
		for _, n := range []int{to, from, 3 - to - from} {
			must(t, nodes[n].Do(t.Context(), "CLUSTER", "SETSLOT", slot, "NODE", ids[to]).Err())
		}
		for i := 101; i <= 200; i++ {
			must(t, w.add("k", fmt.Sprint("v", i)))
		}
		must(t, w.flush())
		if kind == redis.String {
			if got := nodes[to].Get(t.Context(), tag+"k").Val(); got != "v200" {
				t.Errorf("the last value is %q", got)
			}
			continue
		}
		var got, want []string
		for i, e := range p.client.XRange(t.Context(), tag+"k", "-", "+").Val() {
			got, want = append(got, fmt.Sprint(e.Values["value"])), append(want, fmt.Sprint("v", i))
		}
		if diff := cmp.Diff(want, got); diff != "" || len(got) != 201 {
			t.Errorf("%d entries (-want +got):\n%s", len(got), diff)
		}
	}
}
