package tdengine

import (
	"crypto/tls"
	"time"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector/web"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// Auth holds the credentials of requests. The zero value has none.
type Auth struct{ credentials web.Auth }

// Token sends a token of TDengine Cloud, in the query of each request, as the service reads it nowhere else. No error and no log has it.
func Token(token secret.String) Auth { return Auth{web.Parameter("token", token)} }

// Basic sends a user and a password. The user needs the privilege WRITE on the database.
func Basic(user string, password secret.String) Auth { return Auth{web.Basic(user, password)} }

// Precision is the unit of times in requests. Times are rounded down to it.
type Precision int8

const (
	// Millisecond is the unit of the times of records.
	Millisecond Precision = iota
	// Second makes points of one second and with the same tags one point.
	Second
	// Microsecond is for times of Options.Time and Options.TimeColumn, and for databases with this precision or a finer one.
	Microsecond
	// Nanosecond is for times of Options.Time and Options.TimeColumn, and for databases with this precision.
	Nanosecond
)

// Metadata names tags that points get of their records. An empty name leaves the tag out.
type Metadata struct {
	// Key is the text of the key. A null key and an empty one leave the tag out.
	Key string
	// Topic and Partition are those of the input record.
	Topic, Partition string
}

// Point is a point that [Options].Point makes.
type Point struct {
	// Measurement is the name of the supertable.
	Measurement string
	// Subtable is the name of the table of the point. Empty means one that the server makes of the measurement and the tags.
	Subtable string
	// Tags name the point within its measurement, together with its time. Empty values are left out.
	Tags map[string]string
	// Fields are the values. Nulls are left out; one other field is needed at least.
	Fields row.Row
	// Time is the time of the point. The zero value means that of the record.
	Time time.Time
}

// Options configure a sink of records with keys of type K and values of type V. Database, and one of Measurement, MeasurementOf and Point are needed. The
// zero value of everything else makes a field of each column of the value: of a row.Row, of structs and maps by their JSON names. A value
// without columns is the field "value". Functions run on the task's goroutine.
type Options[K, V any] struct {
	// Database is the name of the database.
	Database string
	// CreateDatabase makes the database if it is missing, with Precision, which takes a user that may. Without it, the database has to exist.
	CreateDatabase bool
	// Measurement is the measurement of all points: the supertable. The server makes it with its first point, and columns that it lacks.
	Measurement string
	// Subtable returns the name of the table of a record, of 192 bytes at most and without a dot. nil and an empty text mean a name that the
	// server makes of the measurement and the tags. Two points of one table with the same time are one, whatever their tags.
	Subtable func(r *weir.Record[K, V]) (string, error)
	// MeasurementOf returns the measurement of a record. It takes the place of Measurement.
	MeasurementOf func(r *weir.Record[K, V]) (string, error)
	// Tags are the columns of the value that become tags. Text, numbers and booleans are possible; missing columns, nulls and empty texts are left out.
	Tags []string
	// Fields are the columns that become fields. nil means all that are neither tags nor TimeColumn. Text, booleans, floats and integers of 64 bits keep
	// their types; nulls are left out. A point without any field is an error of its record.
	Fields []string
	// AllowMissing leaves columns of Fields out that the value does not have. Without it, they are errors of their records.
	AllowMissing bool
	// Metadata names tags with the key, the topic and the partition.
	Metadata Metadata
	// TimeColumn is the column with the time of the point: an integer in units of Precision, or text as RFC 3339 writes it. Empty means the time of the
	// record.
	TimeColumn string
	// Time returns the time of the point. It takes the place of TimeColumn.
	Time func(r *weir.Record[K, V]) (time.Time, error)
	// Precision is the unit of times. The zero value is Millisecond.
	Precision Precision
	// IntsAsFloats writes integers of fields as floats, for columns that are floats in the server while the input has both.
	IntsAsFloats bool
	// Point makes the whole point of a record. It takes the place of all options above but Database, CreateDatabase, Precision and IntsAsFloats. It is called for null
	// values too.
	Point func(r *weir.Record[K, V]) (Point, error)

	// Auth holds the credentials of the requests. The zero value has none.
	Auth Auth
	// Insecure lets Auth go over a connection without TLS to a host other than this one.
	Insecure bool
	// TLS has the settings of connections with https. nil means those of package crypto/tls.
	TLS *tls.Config
	// Proxy is the address of a proxy. The zero value means none, also if the environment names one.
	Proxy secret.URL

	// MaxRecords and MaxBytes bound the points of one request, before compression. A single point may be larger. 0 means 5,000, and 5 MiB.
	MaxRecords int
	MaxBytes   int64
	// HoldRecords and HoldBytes are how much a task may hold in memory before it asks for a checkpoint. 0 means 20,000, and 64 MiB.
	HoldRecords int
	HoldBytes   int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration

	// Timeout bounds one attempt of a request, with its answer. 0 means 1 minute.
	Timeout time.Duration
	// Retry is for requests without an answer, and for those that the server cannot take for now. When its attempts are used up, the
	// application holds its input back for OutageWait and goes on trying.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}
