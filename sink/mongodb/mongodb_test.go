package mongodb_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	nethttp "net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/secrettest"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/mongodb"
)

func TestDocumentsAreReplacedMergedAndDeletedByKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, unordered := range []bool{false, true} {
		for mode, want := range map[mongodb.Mode]map[string]string{
			mongodb.Replace: {"a": ` price:{"$numberInt":"2"}`, "b": " name:b"},
			mongodb.Merge:   {"a": ` name:a price:{"$numberInt":"2"}`, "b": " name:b"},
		} {
			name := fmt.Sprint(mode, unordered)
			o := optionsOf[string, product](p, name)
			o.Mode, o.Unordered = mode, unordered
			w := open(t, o)
			must(t, w.add("a", product{"a", 1}))
			must(t, w.add("c", product{"c", 1}))
			must(t, w.add("a", product{"", 2}))
			must(t, w.add("b", product{"b", 0}))
			for _, key := range []string{"c", "was never there"} {
				must(t, w.addRecord(weir.Record[string, product]{Key: key, ValueNull: true}))
			}
			must(t, w.flush())
			if diff := cmp.Diff(want, p.documents(t, name)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func TestInsertedDocumentsAreKept(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := optionsOf[string, product](p, "log")
	o.Mode, o.ID = mongodb.Insert, mongodb.OffsetID[string, product]
	for range 2 { // the second time after a crash
		w := open(t, o)
		must(t, w.add("k", product{"first", 0}))
		must(t, w.add("k", product{"second", 0}))
		must(t, w.flush())
	}
	if diff := cmp.Diff(map[string]string{"input-0-0": " name:first", "input-0-1": " name:second"}, p.documents(t, "log")); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

// A document without an _id of its own gets one before it is written, so that another attempt finds it.
func TestAnInsertThatIsRepeatedIsOneDocument(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	g := newGate(t, p.address)
	o := optionsOf[string, product](p, "log")
	o.Mode, o.URI = mongodb.Insert, secret.New(uri(g.address))
	w := open(t, o)
	must(t, w.add("k", product{"first", 0}))
	written := 0
	end := g.answer("insert", func(documents []bson.Raw) bson.D { // written, and the answer is lost
		if _, err := p.database.Collection("log").InsertOne(context.Background(), documents[0]); err == nil {
			written++
		}
		return nil
	})
	if later, ok := errors.AsType[*weir.RetryLaterError](w.flush()); !ok {
		t.Fatalf("got %v", later)
	}
	end()
	must(t, w.add("k", product{"second", 0}))
	must(t, w.flush())
	if n := len(p.find(t, "log")); n != 2 || written != 1 {
		t.Errorf("%d documents, and %d of the lost answers", n, written)
	}
}

func TestAFilterFindsTheDocumentsOfARecord(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, d := range []bson.D{{{Key: "_id", Value: "1"}, {Key: "name", Value: "tea"}}, {{Key: "_id", Value: "2"}, {Key: "name", Value: "tea"}}, {{Key: "_id", Value: "3"}, {Key: "name", Value: "milk"}}} {
		_, err := p.database.Collection("goods").InsertOne(t.Context(), d)
		must(t, err)
	}
	o := optionsOf[string, product](p, "goods")
	o.Mode, o.Many, o.NoUpsert = mongodb.Merge, true, true
	o.Filter = func(r *weir.Record[string, product]) (bson.D, error) {
		if r.Key == "everything" {
			return nil, nil
		}
		return bson.D{mongodb.Equal("name", r.Key)}, nil
	}
	w := open(t, o)
	must(t, w.add("tea", product{Price: 5}))
	must(t, w.add("coffee", product{Price: 5}))
	must(t, w.addRecord(weir.Record[string, product]{Key: "milk", ValueNull: true}))
	if err := w.addRecord(weir.Record[string, product]{Key: "everything", ValueNull: true}); err == nil || !strings.Contains(err.Error(), "would find every document") {
		t.Errorf("a query without conditions: %v", err)
	}
	must(t, w.flush())
	want := map[string]string{"1": ` name:tea price:{"$numberInt":"5"}`, "2": ` name:tea price:{"$numberInt":"5"}`}
	if diff := cmp.Diff(want, p.documents(t, "goods")); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
}

func TestDocumentsHaveTheFieldsOfTheirRecords(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := optionsOf[[]byte, any](p, "metadata")
	o.Metadata = mongodb.Metadata{Key: "__key", Time: "t", Headers: "__headers", Topic: "__topic", Partition: "__partition", Offset: "__offset"}
	w := open(t, o)
	value := map[string]any{"t": "of the value"}
	must(t, w.addRecord(weir.Record[[]byte, any]{
		Key: []byte("CID_1"), Value: value,
		Headers: []weir.Header{{Key: "h", Value: []byte("v")}, {Key: "h", Value: []byte("w")}, {Key: "b", Value: []byte{0xff}}},
	}))
	must(t, w.add([]byte("n"), 2.5))
	must(t, w.flush())

	want := map[string]string{
		"CID_1": ` __key:CID_1 t:{"$date":{"$numberLong":"1767225600000"}} __headers:{"h": "w","b": {"$binary":{"base64":"/w==","subType":"00"}}} __topic:input __partition:{"$numberInt":"0"} __offset:{"$numberLong":"0"}`,
		"n":     ` value:{"$numberDouble":"2.5"} __key:n t:{"$date":{"$numberLong":"1767225600001"}} __headers:{} __topic:input __partition:{"$numberInt":"0"} __offset:{"$numberLong":"1"}`,
	}
	if diff := cmp.Diff(want, p.documents(t, "metadata")); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	if value["t"] != "of the value" {
		t.Error("the value of the record has changed")
	}
}

// kinds is a value with fields of many types.
type kinds struct {
	Text    string     `json:"text"`
	Whole   int64      `json:"whole"`
	Count   uint64     `json:"count"`
	Number  float64    `json:"number"`
	Yes     bool       `json:"yes"`
	At      time.Time  `json:"at"`
	Data    []byte     `json:"data"`
	Address netip.Addr `json:"address"`
	None    *int       `json:"none"`
	Row     row.Row    `json:"row"`
	Tagged  string     `bson:"own" json:"other"`
	Left    string     `json:"left,omitempty"`
}

func TestValuesBecomeValuesOfBSON(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	w := open(t, optionsOf[int64, kinds](p, "kinds"))
	inner, err := row.Parse(`{"z":1,"a":[1.0,null,{"b":true}],"big":123456789012345678901234567890}`)
	must(t, err)
	must(t, w.add(7, kinds{
		Text: "é\x00", Whole: math.MinInt64, Count: 5, Number: 1, Yes: true, At: time.UnixMilli(1767225600123), Data: []byte{1}, Address: netip.MustParseAddr("::1"),
		Row: inner, Tagged: "x",
	}))
	must(t, w.flush())
	rows := open(t, optionsOf[*string, row.Row](p, "rows"))
	key := "r"
	must(t, rows.add(&key, inner))
	must(t, rows.add(&key, row.Row{})) // is null
	must(t, rows.add(&key, inner))
	must(t, rows.flush())
	const rowText = `{"$numberLong":"1"}`
	want := map[string]string{`{"$numberLong":"7"}`: ` text:` + "é\x00" + ` whole:{"$numberLong":"-9223372036854775808"} count:{"$numberLong":"5"} number:{"$numberDouble":"1.0"} yes:true` +
		` at:{"$date":{"$numberLong":"1767225600123"}} data:{"$binary":{"base64":"AQ==","subType":"00"}} address:::1 none:null` +
		` row:{"z": ` + rowText + `,"a": [{"$numberDouble":"1.0"},null,{"b": true}],"big": {"$numberDecimal":"123456789012345678901234567890"}} own:x`}
	if diff := cmp.Diff(want, p.documents(t, "kinds")); diff != "" {
		t.Errorf("documents (-want +got):\n%s", diff)
	}
	want = map[string]string{"r": ` z:` + rowText + ` a:[{"$numberDouble":"1.0"},null,{"b": true}] big:{"$numberDecimal":"123456789012345678901234567890"}`}
	if diff := cmp.Diff(want, p.documents(t, "rows")); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestKeysBecomeIDs(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	check := func(name, want string) {
		t.Helper()
		for id := range p.documents(t, name) {
			if id != want {
				t.Errorf("%s: the _id is %s, want %s", name, id, want)
			}
		}
	}
	keyed(t, p, "bytes", []byte("text"))
	check("bytes", "text")
	keyed(t, p, "int32", int32(-5))
	check("int32", `{"$numberLong":"-5"}`)
	seven := uint8(7)
	keyed(t, p, "pointer", &seven)
	check("pointer", `{"$numberLong":"7"}`)
	keyed(t, p, "bool", true)
	check("bool", "true")
	keyed(t, p, "address", netip.MustParseAddr("10.0.0.1"))
	check("address", "10.0.0.1")
	keyed(t, p, "struct", product{"a", 1})
	check("struct", `{"name":"a","price":1}`)
	keyed[*string](t, p, "null", nil)
	if id := p.find(t, "null")[0].Lookup("_id"); id.Type != bson.TypeObjectID {
		t.Errorf("the _id of a null key is %v", id)
	}
	w := open(t, optionsOf[uint64, product](p, "great"))
	if err := w.add(math.MaxUint64, product{}); err == nil || !strings.Contains(err.Error(), "greater than the integers") {
		t.Errorf("an integer that is too great: %v", err)
	}
}

func keyed[K any](t *testing.T, p *place, name string, key K) {
	t.Helper()
	w := open(t, optionsOf[K, product](p, name))
	must(t, w.add(key, product{Price: 1}))
	must(t, w.flush())
}

func TestNamesAndValuesAreNeverReadAsOperators(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	evil := []any{
		`{"$gt":""}`, "$where", "a.b", "\x00", "'; db.dropDatabase(); //", strings.Repeat("x", 900), "é漢🚰", " ",
		bson.D{{Key: "$gt", Value: ""}},
		bson.D{{Key: "$ne", Value: nil}},
		bson.D{{Key: "$in", Value: bson.A{"owner"}}},
		bson.M{"a": bson.M{"$exists": true}},
	}
	for _, mode := range []mongodb.Mode{mongodb.Replace, mongodb.Merge} {
		name := "evil" + mode.String()
		o := mongodb.Options[int, map[string]any]{URI: secret.New(uri(p.address)), Database: p.database.Name(), Collection: name, Mode: mode, Retry: quickly}
		o.ID = func(r *weir.Record[int, map[string]any]) (any, error) { return r.Value["text"], nil }
		_, err := p.database.Collection(name).InsertOne(t.Context(), bson.D{{Key: "_id", Value: "owner"}, {Key: "untouched", Value: true}})
		must(t, err)
		w := open(t, o)
		stored := 1
		for i, text := range evil {
			must(t, w.add(i, map[string]any{"text": text}))
			err := w.flush()
			if refused, ok := errors.AsType[sink.RecordErrors](err); ok { // an id that the server does not take
				must(t, w.flush())
				if _, isText := text.(string); isText {
					t.Errorf("%v: %v", text, refused)
				}
			} else if must(t, err); err == nil {
				stored++
			}
		}
		documents := p.documents(t, name)
		if documents["owner"] != " untouched:true" {
			t.Errorf("%v: another document was found: %s", mode, documents["owner"])
		}
		if len(documents) != stored {
			t.Errorf("%v: %d documents, want %d", mode, len(documents), stored)
		}
		for i, text := range evil { // and deleted by what they are
			r := weir.Record[int, map[string]any]{Key: i, Value: map[string]any{"text": text}}
			deleting := o
			deleting.Document = func(*weir.Record[int, map[string]any]) (any, error) { return nil, nil }
			d := open(t, deleting)
			must(t, d.addRecord(r))
			_ = d.flush() // an id that is refused is not there
		}
		if diff := cmp.Diff(map[string]string{"owner": " untouched:true"}, p.documents(t, name)); diff != "" {
			t.Errorf("%v: what is left (-want +got):\n%s", mode, diff)
		}
	}
}

func TestARecordChoosesItsCollection(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	o := optionsOf[string, product](p, "")
	o.CollectionOf = func(r *weir.Record[string, product]) (string, error) { return r.Value.Name, nil }
	w := open(t, o)
	for _, name := range []string{"", "system.users", "a.system.b", "$cmd", "a$b", "a\x00b", ".a", "a.", "\xff", strings.Repeat("a", 256)} {
		if err := w.add("k", product{Name: name}); err == nil || !strings.Contains(err.Error(), "CollectionOf") {
			t.Errorf("the collection %q: %v", name, err)
		}
	}
	for i, name := range []string{"de", "fr", "de"} {
		must(t, w.add(fmt.Sprint(i), product{Name: name}))
	}
	must(t, w.flush())
	if a, b := len(p.documents(t, "de")), len(p.documents(t, "fr")); a != 2 || b != 1 {
		t.Errorf("%d and %d documents", a, b)
	}
}

func TestRecordsThatAreNoDocumentsAreRefused(t *testing.T) {
	t.Parallel()
	g := newGate(t, "")
	id := func(id any) func(*weir.Record[string, any]) (any, error) {
		return func(*weir.Record[string, any]) (any, error) { return id, nil }
	}
	deep := map[string]any{}
	for range 100 {
		deep = map[string]any{"d": deep}
	}
	for name, c := range map[string]struct {
		set    func(o *mongodb.Options[string, any])
		record weir.Record[string, any]
		want   string
	}{
		"nothing to delete":         {nil, weir.Record[string, any]{KeyNull: true, ValueNull: true}, "nothing to delete"},
		"a tombstone, inserted":     {func(o *mongodb.Options[string, any]) { o.Mode = mongodb.Insert }, weir.Record[string, any]{ValueNull: true}, "the value is null"},
		"no id, merged":             {func(o *mongodb.Options[string, any]) { o.Mode = mongodb.Merge }, weir.Record[string, any]{KeyNull: true, Value: 1}, "has no id"},
		"no id, and no new one":     {func(o *mongodb.Options[string, any]) { o.NoUpsert = true }, weir.Record[string, any]{KeyNull: true, Value: 1}, "has no id"},
		"an id that is no text":     {nil, weir.Record[string, any]{Key: "\xff", Value: 1}, "UTF-8"},
		"an id that is a list":      {func(o *mongodb.Options[string, any]) { o.ID = id([]int{1}) }, weir.Record[string, any]{Value: 1}, "type array"},
		"an id that is a pattern":   {func(o *mongodb.Options[string, any]) { o.ID = id(bson.Regex{Pattern: ".*"}) }, weir.Record[string, any]{Value: 1}, "type regex"},
		"two ids":                   {nil, weir.Record[string, any]{Key: "a", Value: map[string]any{"_id": "b"}}, `the document has the _id "b"`},
		"a text that is none":       {nil, weir.Record[string, any]{Value: map[string]any{"a": map[string]any{"b": "\xff"}}}, `field "a": field "b": text is not valid UTF-8`},
		"a field with a zero byte":  {nil, weir.Record[string, any]{Value: map[string]any{"a\x00b": 1}}, "null byte"},
		"a field that is a command": {nil, weir.Record[string, any]{Value: map[string]any{"$set": 1}}, `"$set" begins with $`},
		"a path, merged":            {func(o *mongodb.Options[string, any]) { o.Mode = mongodb.Merge }, weir.Record[string, any]{Value: map[string]any{"a.b": 1}}, `"a.b" has a dot`},
		"a document that is deep":   {nil, weir.Record[string, any]{Value: deep}, "more than 100 deep"},
		"a document that is long":   {nil, weir.Record[string, any]{Value: map[string]any{"a": strings.Repeat("x", 17<<20)}}, "at most 16777216"},
		"a document of a number": {
			func(o *mongodb.Options[string, any]) {
				o.Document = func(*weir.Record[string, any]) (any, error) { return 1, nil }
			}, weir.Record[string, any]{}, "a int is no document",
		},
		"a channel": {nil, weir.Record[string, any]{Value: map[string]any{"c": make(chan int)}}, "no encoder found"},
	} {
		t.Run(name, func(t *testing.T) {
			o := mongodb.Options[string, any]{URI: secret.New(uri(g.address)), Database: "shop", Collection: "products"}
			if c.set != nil {
				c.set(&o)
			}
			w := open(t, o)
			if err := w.addRecord(c.record); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "collection shop.products at "+g.address) {
				t.Errorf("the error is %.300v, want %q", err, c.want)
			}
		})
	}
}

// writeErrors is the answer to a write whose documents have failed, by index and code.
func writeErrors(n int, failed ...[2]int) bson.D {
	list := bson.A{}
	for _, f := range failed {
		list = append(list, bson.D{{Key: "index", Value: f[0]}, {Key: "code", Value: f[1]}, {Key: "errmsg", Value: "said the gate"}})
	}
	return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: n}, {Key: "writeErrors", Value: list}}
}

const (
	writeConflict    = 112
	validationFailed = 121
	unauthorized     = 13
)

func TestADocumentThatIsLeftIsWrittenBeforeThoseBehindIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		unordered bool
		first     bson.D
		want      []string // the prices of the requests
		refused   int
	}{
		"ordered":   {false, writeErrors(1, [2]int{1, writeConflict}), []string{"1 2 3 4", "2 3 4"}, 0},
		"unordered": {true, writeErrors(1, [2]int{1, writeConflict}), []string{"1 2", "2", "3 4"}, 0},
		"refused, ordered": {
			false, writeErrors(1, [2]int{1, validationFailed}), []string{"1 2 3 4", "3 4"}, 1,
		},
		"refused, unordered": {
			true, writeErrors(1, [2]int{0, validationFailed}, [2]int{1, validationFailed}), []string{"1 2", "3 4"}, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, "")
			var got []string
			g.answer("update", func(documents []bson.Raw) bson.D {
				var prices []string
				for _, d := range documents {
					prices = append(prices, fmt.Sprint(d.Lookup("u", "price").AsInt64()))
				}
				if got = append(got, strings.Join(prices, " ")); len(got) == 1 {
					return c.first
				}
				return takes(documents)
			})
			w := open(t, settings{URI: secret.New(uri(g.address)), Database: "d", Collection: "c", Retry: quickly, Unordered: c.unordered})
			for i, key := range []string{"a", "b", "b", "c"} {
				must(t, w.add(key, product{Price: i + 1}))
			}
			err := w.flush()
			if refused, _ := errors.AsType[sink.RecordErrors](err); len(refused) != c.refused || err != nil && c.refused == 0 {
				t.Errorf("got %v", err)
			}
			if c.refused > 0 {
				must(t, w.flush())
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBackPressureOfTheServerHoldsInput(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func([]bson.Raw) bson.D{
		"a primary steps down":        fails(189, "PrimarySteppedDown"),
		"too many requests":           fails(16500, "TooManyRequests"),
		"a document meets a conflict": func([]bson.Raw) bson.D { return writeErrors(0, [2]int{0, writeConflict}) },
		"the majority is away": func([]bson.Raw) bson.D {
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"}}}}
		},
		"the connection breaks": breaks,
		"there is no answer":    nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGate(t, "")
			o := settings{URI: secret.New(uri(g.address)), Database: "d", Collection: "c", Retry: quickly, OutageWait: 3 * time.Second}
			if answer == nil {
				o.Timeout = 300 * time.Millisecond
				answer = func([]bson.Raw) bson.D {
					<-t.Context().Done()
					return nil
				}
			}
			w := open(t, o)
			g.answer("update", answer)
			must(t, w.add("k", product{}))
			if later, ok := errors.AsType[*weir.RetryLaterError](w.flush()); !ok || later.RetryAfter != 3*time.Second {
				t.Errorf("got %v", later)
			}
		})
	}
}

func TestErrorsThatNoTimeMendsEndTheRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func([]bson.Raw) bson.D
		want   string
	}{
		"a permission that is taken away": {fails(unauthorized, "Unauthorized"), "needs the actions"},
		"a permission for documents":      {func([]bson.Raw) bson.D { return writeErrors(0, [2]int{0, unauthorized}) }, "needs the actions"},
		"a view":                          {fails(166, "CommandNotSupportedOnView"), "CommandNotSupportedOnView"},
		"a write concern that nobody can live up to": {func([]bson.Raw) bson.D {
			return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}, {Key: "writeConcernError", Value: bson.D{{Key: "code", Value: 100}, {Key: "errmsg", Value: "not enough data-bearing nodes"}}}}
		}, "cannot be met"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(t, "")
			w := open(t, settings{URI: secret.New(uri(g.address)), Database: "d", Collection: "c", Retry: quickly})
			g.answer("update", c.answer)
			must(t, w.add("k", product{}))
			err := w.flush()
			if err == nil || errors.As(err, new(*weir.RetryLaterError)) || errors.As(err, new(sink.RecordErrors)) || !strings.Contains(err.Error(), c.want) ||
				!strings.Contains(err.Error(), "collection d.c at "+g.address) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestConnectSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	through := func(command string, answer func([]bson.Raw) bson.D) string {
		g := newGate(t, p.address)
		g.answer(command, answer)
		return uri(g.address)
	}
	listed := func(kind string) string {
		return through("listCollections", func([]bson.Raw) bson.D {
			return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{{Key: "id", Value: int64(0)}, {Key: "ns", Value: "d.$cmd.listCollections"}, {Key: "firstBatch", Value: bson.A{
				bson.D{{Key: "name", Value: "c"}, {Key: "type", Value: kind}, {Key: "options", Value: bson.D{}}},
			}}}}}
		})
	}
	granted := func(database, collection string, actions ...string) string {
		return through("connectionStatus", func([]bson.Raw) bson.D {
			return bson.D{{Key: "ok", Value: 1}, {Key: "authInfo", Value: bson.D{
				{Key: "authenticatedUsers", Value: bson.A{bson.D{{Key: "user", Value: "u"}}}},
				{Key: "authenticatedUserPrivileges", Value: bson.A{
					bson.D{{Key: "resource", Value: bson.D{{Key: "cluster", Value: true}}}, {Key: "actions", Value: bson.A{"remove"}}},
					bson.D{{Key: "resource", Value: bson.D{{Key: "db", Value: database}, {Key: "collection", Value: collection}}}, {Key: "actions", Value: actions}},
				}},
			}}}
		})
	}
	secondary := through("isMaster", func([]bson.Raw) bson.D {
		return append(bson.D{{Key: "ok", Value: 1}, {Key: "ismaster", Value: false}, {Key: "secondary", Value: true}, {Key: "setName", Value: "rs"}}, takes(nil)[4:]...)
	})
	login := func(address string) string {
		return strings.Replace(through("saslStart", fails(18, "AuthenticationFailed")), "mongodb://", "mongodb://user:"+password+"@", 1) + address
	}
	server := httptest.NewUnstartedServer(nethttp.NotFoundHandler())
	server.StartTLS()
	defer server.Close()
	secure := uri(newSecureGate(t, p.address, &tls.Config{Certificates: server.TLS.Certificates}).address)
	trusted := x509.NewCertPool()
	trusted.AddCert(server.Certificate())
	well := uri(p.address)
	const soon = 3 * time.Second // the driver waits for all of it, and needs a part of it to see the certificate on a loaded machine
	for name, c := range map[string]struct {
		uri string
		settings
		want string // "" is success
	}{
		"all is well":                 {well, settings{}, ""},
		"no URI":                      {"", settings{}, "URI is empty"},
		"another protocol":            {"http://user:" + password + "@host", settings{}, "scheme"},
		"an @ in the password":        {"mongodb://user:" + password + "@x@host", settings{}, "%40"},
		"a slash in the password":     {"mongodb://user:" + password + "/x@host", settings{}, "malformed"},
		"an unknown parameter":        {"mongodb://user:" + password + "@host/?w=majority&journal=perhaps", settings{}, "journal"},
		"writes without an answer":    {well + "&w=0", settings{}, "w=0"},
		"a password without TLS":      {"mongodb://user:" + password + "@host/?authMechanism=PLAIN", settings{}, "set tls=true"},
		"no database":                 {well, settings{Database: "-"}, "Database: it is empty"},
		"no collection":               {well, settings{Collection: "-"}, "one of Collection and CollectionOf"},
		"a database of another place": {well, settings{Database: "a/b"}, "no name of a database"},
		"a collection of the system":  {well, settings{Collection: "system.users"}, "no name of a collection"},
		"an unknown mode":             {well, settings{Mode: 9}, "Mode 9 is unknown"},
		"many inserts":                {well, settings{Mode: mongodb.Insert, Many: true}, "Many is for Merge"},
		"a negative bound":            {well, settings{HoldBytes: -1}, "HoldBytes is -1, and must not be negative"},
		"much too many records":       {well, settings{MaxRecords: 200_000}, "at most 100000"},
		"nobody there":                {"mongodb://user:" + password + "@127.0.0.1:1", settings{Timeout: soon}, "connection refused"},
		"a secondary":                 {secondary, settings{}, "no primary"},
		"a wrong password":            {login(""), settings{}, "are those of Options.URI"},
		"a view":                      {listed("view"), settings{}, "is a view"},
		"a time series":               {listed("timeseries"), settings{}, "mode Insert alone"},
		"a time series, inserted":     {listed("timeseries"), settings{Mode: mongodb.Insert}, ""},
		"no permission to list":       {through("listCollections", fails(unauthorized, "Unauthorized")), settings{}, ""},
		"all permissions":             {granted("", "", "find", "anyAction"), settings{}, ""},
		"those of the collection":     {granted("d", "c", "insert", "update", "remove"), settings{}, ""},
		"those of another collection": {granted("d", "other", "insert", "update", "remove"), settings{}, "may not insert, update, remove documents of d.c"},
		"a permission that lacks":     {granted("d", "", "insert", "find"), settings{}, "may not update, remove"},
		"enough to insert":            {granted("d", "", "insert", "find"), settings{Mode: mongodb.Insert}, ""},
		"TLS":                         {secure, settings{TLS: &tls.Config{RootCAs: trusted}}, ""},
		"an unknown authority":        {secure + "&tls=true", settings{Timeout: soon}, "certificate"},
		"TLS of another name":         {secure, settings{TLS: &tls.Config{RootCAs: trusted, ServerName: "other"}, Timeout: soon}, "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := c.settings
			o.URI = secret.New(c.uri)
			for field, standard := range map[*string]string{&o.Database: "d", &o.Collection: "c"} {
				switch *field {
				case "":
					*field = standard
				case "-":
					*field = ""
				}
			}
			to := mongodb.New(o)
			secrettest.Hidden(t, to, password)
			err := to.Connect(t.Context())
			if err == nil {
				must(t, to.Close(context.Background()))
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

func TestTheNameOfASinkHasNoSecrets(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"mongodb://user:" + password + "@db1.example.com,db2.example.com:27018/admin?replicaSet=rs0": "collection d.c at db1.example.com,db2.example.com:27018",
		"mongodb+srv://cluster.example.com":                 "collection d.c at cluster.example.com",
		"mongodb://[::1]:27017/?tls=true":                   "collection d.c at [::1]:27017",
		"mongodb://user:" + password + "/x@host":            "collection d.c at (a malformed URI)",
		"user:" + password + "@host":                        "collection d.c at (a malformed URI)",
		"mongodb://host/?authMechanismProperties=A:b@c.com": "collection d.c at (a malformed URI)",
	} {
		if got := mongodb.New(settings{URI: secret.New(text), Database: "d", Collection: "c"}).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
