// Package influx has the parts that sinks of InfluxDB and TDengine share: records as lines of the line protocol, and requests that write them.
package influx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// Precision is the unit of times in requests, by its index in [API].Precisions.
type Precision int8

// Units in nanoseconds, by precision: milliseconds, seconds, microseconds, nanoseconds.
var units = [...]int64{1e6, 1e9, 1e3, 1}

// Point is a point that a function has made.
type Point struct {
	Measurement string
	Tags        map[string]string
	Fields      row.Row
	Time        time.Time
}

// Metadata names tags of the record.
type Metadata struct{ Key, Topic, Partition string }

// Options are those of the sinks, with their meaning.
type Options[K, V any] struct {
	Database      string
	Measurement   string
	MeasurementOf func(r *weir.Record[K, V]) (string, error)
	Tags, Fields  []string
	AllowMissing  bool
	Metadata      Metadata
	// Table returns the name of the table of a point, for servers that read it from a tag; see [API].TableTag.
	Table        func(r *weir.Record[K, V]) (string, error)
	TimeColumn   string
	Time         func(r *weir.Record[K, V]) (time.Time, error)
	Precision    Precision
	IntsAsFloats bool
	Point        func(r *weir.Record[K, V]) (Point, error)

	Auth     web.Auth
	Insecure bool
	TLS      *tls.Config
	Proxy    secret.URL
	Gzip     bool

	MaxRecords  int
	MaxBytes    int64
	HoldRecords int
	HoldBytes   int64
	MaxAge      time.Duration
	Timeout     time.Duration
	Retry       weir.Retry
	OutageWait  time.Duration
}

// setDefaults sets the limits that are zero.
func (o *Options[K, V]) setDefaults() {
	set := func(n *int64, usual int64) {
		if *n == 0 {
			*n = usual
		}
	}
	if o.MaxRecords == 0 {
		o.MaxRecords = 5000
	}
	if o.HoldRecords == 0 {
		o.HoldRecords = 20_000
	}
	set(&o.MaxBytes, 5<<20)
	set(&o.HoldBytes, 64<<20)
	set((*int64)(&o.Timeout), int64(time.Minute))
	set((*int64)(&o.OutageWait), int64(5*time.Second))
}

// check returns everything that is wrong.
func (o *Options[K, V]) check(api *API) error {
	var wrong []error
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	if o.Database == "" {
		bad("Database is empty")
	}
	if o.Precision < 0 || int(o.Precision) >= len(units) {
		bad("Precision %d is unknown", o.Precision)
	}
	if o.Point != nil {
		if o.Measurement != "" || o.MeasurementOf != nil || o.Tags != nil || o.Fields != nil || o.Table != nil || o.TimeColumn != "" || o.Time != nil || o.Metadata != (Metadata{}) {
			bad("Point makes whole points, and does not go with the options for parts of them")
		}
		return errors.Join(wrong...)
	}
	if (o.Measurement == "") == (o.MeasurementOf == nil) {
		bad("one of Measurement, MeasurementOf and Point is needed")
	}
	if o.TimeColumn != "" && o.Time != nil {
		bad("only one of TimeColumn and Time can be set")
	}
	l := line{reserved: api.Reserved}
	if o.Measurement != "" {
		if err := l.begin(o.Measurement); err != nil {
			bad("Measurement: %w", err)
		}
	}
	names := map[string]string{}
	for _, list := range []struct {
		option, kind string
		names        []string
	}{{"Tags", "tag", o.Tags}, {"Fields", "field", o.Fields}, {"Metadata", "tag", o.Metadata.names()}} {
		for _, name := range list.names {
			if err := l.name(list.kind, name); err != nil {
				bad("%s: %w", list.option, err)
			}
			if other, ok := names[name]; ok {
				bad("%q is in %s and in %s", name, other, list.option)
			}
			names[name] = list.option
		}
	}
	return errors.Join(wrong...)
}

func (m Metadata) names() []string {
	return slices.DeleteFunc([]string{m.Key, m.Topic, m.Partition}, func(name string) bool { return name == "" })
}
