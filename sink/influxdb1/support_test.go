package influxdb1_test

import (
	"encoding/json"
	"fmt"
	nethttp "net/http"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/gatetest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/influxdb1"
	"github.com/weirstreams/weir/sink/internal/influx/influxtest"
)

const password = "s3cret-of-the-sink"

var (
	quickly = weir.Retry{Attempts: 3, FirstWait: 10 * time.Millisecond}
	login   = influxdb1.Basic("weir", secret.New(password))
)

type options = influxdb1.Options[string, map[string]any]

// engine is a server for a test, with a prefix of its databases, and a gate in front of it.
type engine struct {
	address string
	gate    *gatetest.Gate
	prefix  string
}

var engines atomic.Int64

func newEngine(tb testing.TB) *engine {
	tb.Helper()
	address := os.Getenv("WEIR_TEST_INFLUXDB")
	if address == "" {
		tb.Skip("needs a server: go run ./internal/testserver influxdb -- go test ./sink/influxdb1")
	}
	e := &engine{address, gatetest.New(tb, address), fmt.Sprintf("t%d_%d_", time.Now().UnixNano(), engines.Add(1))}
	e.query(tb, "", "CREATE USER weir WITH PASSWORD '"+password+"' WITH ALL PRIVILEGES")
	return e
}

// series is a part of the answer to a query.
type series struct {
	Name   string
	Tags   map[string]string
	Values [][]any
}

// query makes a query as the administrator. Errors in its result are no failure: the database may be missing.
func (e *engine) query(tb testing.TB, database, statement string) []series {
	tb.Helper()
	r, err := nethttp.NewRequest(nethttp.MethodPost, e.address+"/query?"+url.Values{"db": {database}, "q": {statement}, "epoch": {"ns"}}.Encode(), nil)
	influxtest.Must(tb, err)
	r.SetBasicAuth("weir", password)
	client := nethttp.Client{Timeout: time.Minute, Transport: &nethttp.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	influxtest.Must(tb, err)
	defer response.Body.Close()
	var answer struct{ Results []struct{ Series []series } }
	decoder := json.NewDecoder(response.Body)
	decoder.UseNumber()
	influxtest.Must(tb, decoder.Decode(&answer))
	if response.StatusCode != nethttp.StatusOK || len(answer.Results) != 1 {
		tb.Fatalf("%s: status %d", statement, response.StatusCode)
	}
	return answer.Results[0].Series
}
