package influxdb1

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/sink"
	"github.com/weirstreams/weir/sink/internal/influx"
)

// Sink writes records to InfluxDB 1. It is made by [New].
type Sink[K, V any] struct{ points *influx.Sink[K, V] }

var _ sink.Sink[int, int] = (*Sink[int, int])(nil)

// New returns a sink that writes points to the server at an address, with http or https. Connect finds mistakes.
func New[K, V any](address string, o Options[K, V]) *Sink[K, V] {
	options := influx.Options[K, V]{
		Database: o.Database, Measurement: o.Measurement, MeasurementOf: o.MeasurementOf, Tags: o.Tags, Fields: o.Fields, AllowMissing: o.AllowMissing,
		Metadata: influx.Metadata(o.Metadata), TimeColumn: o.TimeColumn, Time: o.Time, Precision: influx.Precision(o.Precision), IntsAsFloats: o.IntsAsFloats,
		Auth: o.Auth.credentials, Insecure: o.Insecure, TLS: o.TLS, Proxy: o.Proxy, Gzip: o.Gzip,
		MaxRecords: o.MaxRecords, MaxBytes: o.MaxBytes, HoldRecords: o.HoldRecords, HoldBytes: o.HoldBytes, MaxAge: o.MaxAge,
		Timeout: o.Timeout, Retry: o.Retry, OutageWait: o.OutageWait,
	}
	if o.Point != nil {
		options.Point = func(r *weir.Record[K, V]) (influx.Point, error) {
			p, err := o.Point(r)
			return influx.Point(p), err
		}
	}
	api := api
	if o.CreateDatabase {
		api.Create = `CREATE DATABASE "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(o.Database) + `"`
	}
	return &Sink[K, V]{influx.New(address, api, options)}
}

// api is the interface of InfluxDB 1.
var api = influx.API{
	Name: "influxdb1", Path: "/write", Dialect: influx.Literal, Reserved: "time", Fits: fits,
	Precisions: [...]string{Millisecond: "ms", Second: "s", Microsecond: "u", Nanosecond: "n"},
}

func fits(major int, version string) error {
	if major != 1 {
		return fmt.Errorf("InfluxDB %s is not of version 1", version)
	}
	return nil
}

// String names the server and the database.
func (s *Sink[K, V]) String() string { return s.points.String() }

// Connect implements [sink.Sink]. It checks the options, the version of the server and the credentials, makes the database if it is asked to, and
// finds out whether points may be written, by a line that is none.
func (s *Sink[K, V]) Connect(ctx context.Context) error { return s.points.Connect(ctx) }

// Writer implements [sink.Sink].
func (s *Sink[K, V]) Writer(ctx context.Context, task sink.Task) (sink.Writer[K, V], error) {
	return s.points.Writer(ctx, task)
}

// Close implements [sink.Sink].
func (s *Sink[K, V]) Close(ctx context.Context) error { return s.points.Close(ctx) }
