package bigquery

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"time"

	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/weirstreams/weir"
	"github.com/weirstreams/weir/internal/connector"
	"github.com/weirstreams/weir/row"
	"github.com/weirstreams/weir/secret"
)

// Table names a table of BigQuery and says how to reach it. Project, Dataset and Name are needed.
type Table struct {
	// Project is the ID of the project of the dataset, Dataset that of the dataset, which has to exist, and Name that of the table.
	Project, Dataset, Name string
	// ServiceAccountKey is the key of a service account, as JSON. Without it the credentials come from the environment (GOOGLE_APPLICATION_CREDENTIALS, the
	// configuration of gcloud, the account of the machine).
	ServiceAccountKey secret.String
	// Endpoint is the address of an emulator's REST API ("http://127.0.0.1:9050"), and StorageEndpoint host and port of its Storage API. They are reached without TLS and credentials. Empty
	// means Google. Both are set, or none.
	Endpoint, StorageEndpoint string
}

// String names the table and, if it is not Google, the address of the service.
func (t Table) String() string {
	name := t.Project + "." + t.Dataset + "." + t.Name
	if t.Endpoint != "" {
		name += " at " + t.Endpoint
	}
	return name
}

// path is the name of the table in the Storage API.
func (t *Table) path() string {
	return "projects/" + t.Project + "/datasets/" + t.Dataset + "/tables/" + t.Name
}

// Names as BigQuery documents them. They are parts of paths, so that other characters would name something else.
var (
	projectName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.:-]*$`)
	datasetName = regexp.MustCompile(`^[a-zA-Z0-9_]+$`)
	tableName   = regexp.MustCompile(`^[\pL\pM\pN\p{Pc}\p{Pd}\p{Zs}]+$`)
	columnName  = regexp.MustCompile(`^[\pL_][\pL\pN_ &%=+:'<>#|-]{0,299}$`)
	reserved    = regexp.MustCompile(`(?i)^(_table_|_file_|_partition|_row_timestamp|__root__|_colidentifier|_change_sequence_number|_change_type|_change_timestamp)`)
)

func (t *Table) check() error {
	var wrong []error
	for _, part := range []struct {
		field, name string
		form        *regexp.Regexp
	}{{"Table.Project", t.Project, projectName}, {"Table.Dataset", t.Dataset, datasetName}, {"Table.Name", t.Name, tableName}} {
		if !part.form.MatchString(part.name) {
			wrong = append(wrong, fmt.Errorf("%s is %q, which is no such name", part.field, part.name))
		}
	}
	if (t.Endpoint == "") != (t.StorageEndpoint == "") {
		wrong = append(wrong, errors.New("Table.Endpoint and Table.StorageEndpoint have to be set together"))
	}
	return errors.Join(wrong...)
}

// settings returns the options of the two clients.
func (t *Table) settings() (rest, storage []option.ClientOption) {
	if t.Endpoint != "" {
		return []option.ClientOption{option.WithEndpoint(strings.TrimSuffix(t.Endpoint, "/") + "/bigquery/v2/"), option.WithoutAuthentication(), option.WithTelemetryDisabled()},
			[]option.ClientOption{
				option.WithEndpoint(t.StorageEndpoint), option.WithoutAuthentication(), option.WithTelemetryDisabled(),
				option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
			}
	}
	if !t.ServiceAccountKey.IsZero() {
		rest = []option.ClientOption{option.WithAuthCredentialsJSON(option.ServiceAccount, []byte(t.ServiceAccountKey.Reveal()))}
	}
	return rest, rest
}

// checkColumn reports whether BigQuery takes a name for a column.
func checkColumn(name string) error {
	if !columnName.MatchString(name) {
		return fmt.Errorf("column %q: BigQuery takes no such name", name)
	}
	if prefix := reserved.FindString(name); prefix != "" {
		return fmt.Errorf("column %q: BigQuery keeps names with the prefix %s for itself", name, prefix)
	}
	return nil
}

// NoColumn leaves a column of the metadata out.
const NoColumn = "-"

// Options configure a sink of records with keys of type K and values of type V. The zero value writes a row of each value, with the key and the time of the record.
type Options[K, V any] struct {
	// Row makes the columns of a record. nil takes the value: a row.Row as it is, structs and maps by their JSON names, and any other value as
	// one column "value". A nil row is an error of the record. It runs on the task's goroutine.
	Row func(r *weir.Record[K, V]) (row.Row, error)
	// KeyColumn has the key of the record as text, and TimeColumn its time. Empty means "_key" and "_timestamp", and NoColumn means that there is no
	// such column. A row that has the column itself keeps its value.
	KeyColumn, TimeColumn string
	// Types are the types of columns that the sink makes, as BigQuery names them: INTEGER, FLOAT, NUMERIC, BIGNUMERIC, BOOLEAN, STRING, BYTES, TIMESTAMP, DATE, DATETIME, TIME, JSON,
	// GEOGRAPHY. The page of the connector has the types of the others.
	Types map[string]string
	// FixedTable says that the sink makes neither the table nor columns. A record with a column that the table lacks is refused.
	FixedTable bool

	// HoldBytes is how much a task holds in memory before it asks for a checkpoint. 0 means 64 MiB.
	HoldBytes int64
	// MaxAge is how long a record may wait before its task asks for a checkpoint. 0 means until the next checkpoint of the runtime.
	MaxAge time.Duration
	// Timeout bounds each call, and the time without an answer to appended rows. 0 means one minute.
	Timeout time.Duration
	// Retry is for calls that fail because BigQuery is away or busy, or a quota is used up. When its attempts are used up, the application holds its input back for OutageWait
	// and goes on trying. If is not used.
	Retry weir.Retry
	// OutageWait is that time. 0 means 5 s.
	OutageWait time.Duration
}

const (
	defaultKeyColumn  = "_key"
	defaultTimeColumn = "_timestamp"
	defaultHoldBytes  = 64 << 20
	defaultTimeout    = time.Minute
	defaultOutageWait = 5 * time.Second
)

// check fills in the defaults and returns everything that is wrong.
func (o *Options[K, V]) check() error {
	var wrong []error
	if err := connector.Negative(o); err != nil {
		wrong = append(wrong, err)
	}
	o.KeyColumn, o.TimeColumn = cmp.Or(o.KeyColumn, defaultKeyColumn), cmp.Or(o.TimeColumn, defaultTimeColumn)
	o.HoldBytes, o.Timeout, o.OutageWait = cmp.Or(o.HoldBytes, defaultHoldBytes), cmp.Or(o.Timeout, defaultTimeout), cmp.Or(o.OutageWait, defaultOutageWait)
	types := maps.Clone(o.Types)
	if types == nil {
		types = map[string]string{}
	}
	if o.KeyColumn != NoColumn {
		types[o.KeyColumn] = cmp.Or(types[o.KeyColumn], "STRING")
	}
	if o.TimeColumn != NoColumn {
		types[o.TimeColumn] = cmp.Or(types[o.TimeColumn], "TIMESTAMP")
	}
	if o.KeyColumn == o.TimeColumn && o.KeyColumn != NoColumn {
		wrong = append(wrong, fmt.Errorf("KeyColumn and TimeColumn are both %q", o.KeyColumn))
	}
	for name, kind := range types {
		if err := checkColumn(name); err != nil {
			wrong = append(wrong, err)
		}
		kind = strings.ToUpper(kind)
		if _, ok := encoders[kind]; !ok {
			wrong = append(wrong, fmt.Errorf("column %q of Types: there is no type %q that the sink writes", name, kind))
		}
		types[name] = kind
	}
	o.Types = types
	return errors.Join(wrong...)
}
