package iceberg_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	client "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/iceberg"
)

// password is the secret key of the user weir.
const password = "weir-s3-secret"

const namespace = "shop"

var quickly = weir.Retry{Attempts: 3, FirstWait: 20 * time.Millisecond}

type options = iceberg.Options[*string, row.Row]

// warehouse is a bucket for tables on the server of the variables WEIR_TEST_ICEBERG and WEIR_TEST_S3, with a namespace.
type warehouse struct {
	iceberg.REST
	bucket  string
	catalog catalog.Catalog
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func newWarehouse(tb testing.TB) *warehouse {
	tb.Helper()
	uri, store := os.Getenv("WEIR_TEST_ICEBERG"), os.Getenv("WEIR_TEST_S3")
	if uri == "" || store == "" {
		tb.Skip("no server: run the test by go run github.com/weirstreams/weir/internal/testserver seaweedfs -- go test ...")
	}
	bucket := "weir-" + strings.ToLower(rand.Text()[:12])
	body := fmt.Sprintf(`{"name":%q}`, bucket)
	sum := sha256.Sum256([]byte(body))
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodPut, store+"/buckets", strings.NewReader(body))
	must(tb, err)
	r.Header.Set("Content-Type", "application/json")
	must(tb, v4.NewSigner().SignHTTP(tb.Context(), aws.Credentials{AccessKeyID: "weir", SecretAccessKey: password}, r, hex.EncodeToString(sum[:]), "s3tables", "us-east-1", time.Now()))
	answer, err := http.DefaultClient.Do(r)
	must(tb, err)
	must(tb, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		tb.Fatalf("make the bucket for tables: %s", answer.Status)
	}
	w := &warehouse{REST: placeOf(uri, store, bucket), bucket: bucket}
	w.catalog, err = w.Open(tb.Context())
	must(tb, err)
	must(tb, w.catalog.CreateNamespace(tb.Context(), table.Identifier{namespace}, nil))
	return w
}

func placeOf(uri, store, bucket string) iceberg.REST {
	return iceberg.REST{
		URI: uri, Warehouse: "s3://" + bucket + "/", ClientID: "weir", Secret: secret.New(password),
		S3Endpoint: store, S3Region: "us-east-1", S3AccessKey: "weir", S3SecretKey: secret.New(password),
	}
}

func (w *warehouse) options(name string) options {
	return options{Catalog: w.Open, Table: namespace + "." + name, Retry: quickly, Timeout: 20 * time.Second}
}

func (w *warehouse) table(tb testing.TB, name string) *table.Table {
	tb.Helper()
	t, err := w.catalog.LoadTable(tb.Context(), table.Identifier{namespace, name})
	must(tb, err)
	return t
}

// rows returns the rows of a table as iceberg-go reads them, each as JSON.
func (w *warehouse) rows(tb testing.TB, name string) []string {
	tb.Helper()
	_, batches, err := w.table(tb, name).Scan().ToArrowRecords(tb.Context())
	must(tb, err)
	var rows []string
	for b, err := range batches {
		must(tb, err)
		data, err := b.MarshalJSON()
		must(tb, err)
		var lines []json.RawMessage
		must(tb, json.Unmarshal(data, &lines))
		for _, line := range lines {
			var compact bytes.Buffer
			must(tb, json.Compact(&compact, line))
			rows = append(rows, compact.String())
		}
		b.Release()
	}
	return rows
}

// works returns the works that the snapshots of a table name.
func (w *warehouse) works(tb testing.TB, name string) []string {
	tb.Helper()
	var works []string
	for _, s := range w.table(tb, name).Metadata().Snapshots() {
		works = append(works, s.Summary.Properties["weir.work"])
	}
	return works
}

// owner is an owner of a task of a sink.
type owner struct {
	tb testing.TB
	sink.TwoPhaseWriter[*string, row.Row]
	id, offset int64
}

// open opens the writer of a task with the tokens of its state.
func open(tb testing.TB, o options, tokens ...[]byte) *owner {
	tb.Helper()
	s := iceberg.New(o)
	must(tb, s.Connect(tb.Context()))
	w, err := s.TwoPhaseWriter(tb.Context(), sink.Task{Application: "app", SubTopology: "orders", Sink: "lake", Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	must(tb, err)
	must(tb, w.Recover(tb.Context(), "0000000a", tokens))
	tb.Cleanup(func() {
		must(tb, w.Close())
		must(tb, s.Close(context.WithoutCancel(tb.Context())))
	})
	return &owner{tb: tb, TwoPhaseWriter: w}
}

// add adds a record with the columns of a text of JSON.
func (o *owner) add(text string) error {
	r, err := row.Parse(text)
	must(o.tb, err)
	key := fmt.Sprint("k", o.offset)
	o.offset++
	return o.Add(o.tb.Context(), &weir.Record[*string, row.Row]{
		Key: &key, Value: r, Millis: 1767225600000, Origin: &weir.Origin{Topic: "orders", Offset: o.offset - 1},
	})
}

func (o *owner) addAll(texts ...string) {
	o.tb.Helper()
	for _, text := range texts {
		must(o.tb, o.add(text))
	}
}

func (o *owner) checkpoint() sink.Checkpoint {
	o.id++
	return sink.Checkpoint{Epoch: "0000000a", ID: o.id}
}

func (o *owner) prepare() []byte {
	o.tb.Helper()
	token, err := o.Prepare(o.tb.Context(), o.checkpoint())
	must(o.tb, err)
	return token
}

func (o *owner) commit(token []byte) {
	o.tb.Helper()
	must(o.tb, o.Commit(o.tb.Context(), token))
}

// write adds records, and commits their checkpoint.
func (o *owner) write(texts ...string) {
	o.tb.Helper()
	o.addAll(texts...)
	o.commit(o.prepare())
}

// typesOf returns the columns of a table with their types.
func typesOf(s *client.Schema) map[string]string {
	types := map[string]string{}
	for _, f := range s.Fields() {
		types[f.Name] = f.Type.String()
	}
	return types
}
