package neo4j_test

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/nettest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/neo4j"
)

type person struct {
	Name string `json:"name,omitempty"`
	Age  int    `json:"age,omitempty"`
}

func TestNodesAreReplacedMergedAndDeletedInTheOrderOfTheirRecords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		keep bool
		want map[any]map[string]any
	}{
		"replaced": {false, map[any]map[string]any{"a": {"age": int64(2)}, "c": {"name": "Cyd"}}},
		"kept":     {true, map[any]map[string]any{"a": {"name": "Ada", "age": int64(2)}, "c": {"name": "Cyd"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			o := optionsOf[string, person](p, p.label)
			o.Keep = c.keep
			w := open(t, o)
			must(t, w.add("a", person{Name: "Ada"}))
			must(t, w.add("a", person{Age: 2}))
			must(t, w.add("b", person{Name: "Bob"}))
			must(t, w.addRecord(weir.Record[string, person]{Key: "b", ValueNull: true}))
			must(t, w.addRecord(weir.Record[string, person]{Key: "c", ValueNull: true}))
			must(t, w.add("c", person{Name: "Cyd"}))
			must(t, w.flush())
			if diff := cmp.Diff(c.want, p.nodes(t, p.label)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestADeletedNodeLosesItsRelationships(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	w := open(t, optionsOf[int, person](p, p.label))
	must(t, w.add(1, person{}))
	must(t, w.add(2, person{}))
	must(t, w.flush())
	p.ask(t, "MATCH (a:"+p.label+" {id: 1}), (b:"+p.label+" {id: 2}) CREATE (a)-[:KNOWS]->(b)", nil)
	must(t, w.addRecord(weir.Record[int, person]{Key: 1, ValueNull: true}))
	must(t, w.flush())
	if diff := cmp.Diff(map[any]map[string]any{int64(2): {}}, p.nodes(t, p.label)); diff != "" {
		t.Error(diff)
	}
}

func TestAQuerySeesItsRecordAndParameters(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := queryOf[string, person](p, replaceLabel(`CREATE (n:LABEL) SET n = {id: __key, name: event.name, same: __value = event, header: __header[1][0] + '=' + __header[1][1], headers: size(__header),
		time: toString(__time), millis: __timestamp, place: __topic + ' ' + __partition + ' ' + __offset, origin: __origin, since: toString($since), zone: $list[0].a}`, p.label))
	local := time.FixedZone("Local", 3600)
	o.Parameters = map[string]any{"since": time.Date(2026, 1, 1, 1, 0, 0, 0, local), "list": []any{map[string]int8{"a": 5}}}
	w := open(t, o)
	must(t, w.addRecord(weir.Record[string, person]{Key: "k", Value: person{Name: "Ada"}, Headers: []weir.Header{{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}}}))
	must(t, w.flush())
	want := map[any]map[string]any{"k": {
		"name": "Ada", "same": true, "header": "h=2", "headers": int64(2), "time": "2026-01-01T00:00:00Z[UTC]", "millis": int64(1767225600000), "place": "input 0 0", "origin": "input-0-0",
		"since": "2026-01-01T00:00:00Z[UTC]", "zone": int64(5),
	}}
	if diff := cmp.Diff(want, p.nodes(t, p.label)); diff != "" {
		t.Error(diff)
	}
}

func TestValuesKeepTheirTypes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := optionsOf[bool, any](p, p.label)
	at := time.Date(2026, 7, 1, 12, 0, 0, 5, time.FixedZone("Local", 7200))
	o.Value = func(*weir.Record[bool, any]) (any, error) {
		return map[string]any{
			"float": 1.0, "int": uint16(7), "text": "é", "bytes": []byte{0xff}, "at": at, "list": []int{1, 2}, "null": nil, "flag": true, "row": row.Int(math.MinInt64),
			"address": net.IPv4(127, 0, 0, 1), "pointer": new(3),
		}, nil
	}
	w := open(t, o)
	must(t, w.add(true, nil))
	must(t, w.flush())
	got := p.nodes(t, p.label)
	if g, ok := got[true]["at"].(time.Time); !ok || !g.Equal(at) {
		t.Errorf("the time is %v, want %v", got[true]["at"], at)
	}
	delete(got[true], "at")
	want := map[any]map[string]any{true: {
		"float": 1.0, "int": int64(7), "text": "é", "bytes": []byte{0xff}, "list": []any{int64(1), int64(2)}, "flag": true, "row": int64(math.MinInt64), "address": "127.0.0.1", "pointer": int64(3),
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValuesThatNeo4jHasNoTypeForAreErrorsOfTheirRecords(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var value any
	o := optionsOf[string, any](p, p.label)
	o.Value = func(*weir.Record[string, any]) (any, error) { return value, nil }
	w := open(t, o)
	deep := any(1)
	for range 200 {
		deep = []any{deep}
	}
	for want, v := range map[string]any{
		"takes a map of properties":     5,
		"64 bits":                       map[string]any{"a": uint64(math.MaxUint64)},
		`"a": element 1`:                map[string]any{"a": []string{"", "\xff"}},
		"not valid UTF-8":               map[string]any{"\xff": 1},
		"is no value of Neo4j":          map[string]any{"a": struct{}{}},
		"the names of a map are texts":  map[int]int{1: 1},
		"a time.Duration is no value":   map[string]any{"a": time.Second},
		"nested more than 100 deep":     map[string]any{"a": deep},
		"is no value of Neo4j: the nam": map[string]any{"a": map[bool]int{true: 1}},
	} {
		value = v
		if err := w.add("k", nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a value that is wrong (%s): %v", want, err)
		}
	}
	if err := w.addRecord(weir.Record[string, any]{KeyNull: true}); err == nil {
		t.Error("a null key has made a node")
	}
	must(t, w.flush())
	if got := p.nodes(t, p.label); len(got) != 0 {
		t.Errorf("nodes are there: %v", got)
	}
}

// Names and values are tried that would end their place in the query.
func TestNoNameAndNoValueIsReadAsCypher(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for i, evil := range []string{"a`) DETACH DELETE n //", "b\\u0060) DETACH DELETE n //", "c\\\\u0060 //", "d``e", `f\`, `g\u005C`, "h'\"$records {}", "i\n"} {
		label := p.label + evil
		o := optionsOf[string, map[string]string](p, label)
		o.ID = "id" + evil
		w := open(t, o)
		must(t, w.add(evil, map[string]string{evil: evil}))
		must(t, w.flush())
		rows := p.ask(t, "MATCH (n) WHERE $label IN labels(n) RETURN properties(n)", map[string]any{"label": label})
		if diff := cmp.Diff([][]any{{map[string]any{"id" + evil: evil, evil: evil}}}, rows); diff != "" {
			t.Errorf("name %d, %q: %s", i, evil, diff)
		}
	}
}

func TestRefusedRecordsAreNamedAndOthersWritten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := queryOf[string, person](p, replaceLabel("MERGE (n:LABEL {id: __key}) SET n.only = event.name", p.label))
	o.Unique = []neo4j.Unique{{Label: p.label, Property: "only"}, {Label: p.label, Property: "id"}}
	w := open(t, o)
	for _, key := range []string{"a", "b", "c", "d", "e"} {
		name := map[string]string{"c": "a"}[key]
		if name == "" {
			name = key
		}
		must(t, w.add(key, person{Name: name}))
	}
	err := w.flush()
	refused, ok := errors.AsType[sink.RecordErrors](err)
	if !ok || len(refused) != 1 || refused[0].Origin.Offset != 2 || !strings.Contains(refused[0].Err.Error(), "ConstraintValidationFailed") {
		t.Fatalf("the error is %v", err)
	}
	must(t, w.flush())
	if got := p.nodes(t, p.label); len(got) != 4 || got["c"] != nil {
		t.Errorf("the nodes are %v", got)
	}
}

// Two sinks merge the nodes of one key after the other in opposite order, so that their transactions wait for each other.
func TestTransactionsThatWaitForEachOtherAreTriedAgain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const each = 400
	errs := make(chan error, 2)
	for n := range 2 {
		w := open(t, optionsOf[int, person](p, p.label))
		go func() {
			errs <- func() error {
				for i := range each {
					key := i
					if n == 1 {
						key = each - 1 - i
					}
					if err := w.add(key, person{Age: n + 1}); err != nil {
						return err
					}
				}
				return w.flush()
			}()
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := len(p.nodes(t, p.label)); n != each {
		t.Errorf("%d nodes, want %d", n, each)
	}
}

func TestATransactionWithoutAnAnswerEndsInTime(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	relay := nettest.NewRelay(t, p.address)
	o := optionsOf[string, person](p, p.label)
	o.URI, o.Timeout, o.Retry.Attempts = "bolt://"+relay.Address(), 10*time.Second, 1
	w := open(t, o)
	s := neo4j.New(o)
	must(t, s.Connect(t.Context()))
	t.Cleanup(func() { must(t, s.Close(context.Background())) })
	must(t, w.add("a", person{Age: 1}))
	relay.Silence(true)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := w.writer.Flush(ctx, sink.Checkpoint{ID: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
	relay.Silence(false)
	must(t, w.flush())
	if len(p.nodes(t, p.label)) != 1 {
		t.Error("the node is missing")
	}
}

func TestConnectMakesConstraintsOrNamesThem(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := optionsOf[string, person](p, p.label)
	o.FixedSchema = true
	err := neo4j.New(o).Connect(t.Context())
	if !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), "CREATE CONSTRAINT IF NOT EXISTS FOR (n:`"+p.label+"`) REQUIRE n.`id` IS UNIQUE") {
		t.Errorf("without the constraint: %v", err)
	}
	o.FixedSchema = false
	must(t, open(t, o).flush())
	o.FixedSchema = true
	must(t, open(t, o).flush())
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for want, change := range map[string]func(o *neo4j.Options[string, person]){
		"URI is empty":                          func(o *neo4j.Options[string, person]) { o.URI = "" },
		"URI is malformed":                      func(o *neo4j.Options[string, person]) { o.URI = "bolt:/x" },
		"begins with none of":                   func(o *neo4j.Options[string, person]) { o.URI = "http://" + p.address },
		"trusts any certificate":                func(o *neo4j.Options[string, person]) { o.URI = "bolt+ssc://" + p.address },
		"URI has a user":                        func(o *neo4j.Options[string, person]) { o.URI = "bolt://neo4j:s3cret@" + p.address },
		"TLS is set":                            func(o *neo4j.Options[string, person]) { o.TLS = &tls.Config{} },
		"without TLS, where others can read it": func(o *neo4j.Options[string, person]) { o.URI = "neo4j://graph.example.com" },
		"User is empty":                         func(o *neo4j.Options[string, person]) { o.User = "" },
		"one of Label and Query is needed":      func(o *neo4j.Options[string, person]) { o.Query = "CREATE ()" },
		"ID and Keep are for Label":             func(o *neo4j.Options[string, person]) { o.Label, o.Query, o.Keep = "", "CREATE ()", true },
		"Parameters are for Query":              func(o *neo4j.Options[string, person]) { o.Parameters = map[string]any{} },
		`"records", which the sink sets itself`: func(o *neo4j.Options[string, person]) { o.Parameters = map[string]any{"records": 1} },
		`Parameters, "a": a struct`:             func(o *neo4j.Options[string, person]) { o.Parameters = map[string]any{"a": struct{}{}} },
		"zero byte":                             func(o *neo4j.Options[string, person]) { o.Label = "a\x00" },
		"its name is empty":                     func(o *neo4j.Options[string, person]) { o.Unique = []neo4j.Unique{{Label: "a"}} },
		"MaxRecords is -1":                      func(o *neo4j.Options[string, person]) { o.MaxRecords = -1 },
		"check Options.User":                    func(o *neo4j.Options[string, person]) { o.Password = secret.New("not the password") },
		"check Options.Database":                func(o *neo4j.Options[string, person]) { o.Database = "nowhere" },
		"SyntaxError":                           func(o *neo4j.Options[string, person]) { o.Label, o.Query = "", "MERGE here" },
		"writes nothing":                        func(o *neo4j.Options[string, person]) { o.Label, o.Query = "", "RETURN event" },
		"absent":                                func(o *neo4j.Options[string, person]) { o.Label, o.Query = "", "CREATE (:"+p.label+" {a: $absent})" },
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			o := optionsOf[string, person](p, p.label)
			change(&o)
			err := neo4j.New(o).Connect(t.Context())
			if !errors.Is(err, weir.ErrConfiguration) || !strings.Contains(err.Error(), want) {
				t.Errorf("the error is %v, want %q", err, want)
			}
			if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), p.password)) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}
