package main

import (
	"os"
	"testing"

	"github.com/weirstreams/weir/examples/internal/localtest"
	"github.com/weirstreams/weir/secret"
	"github.com/weirstreams/weir/sink/iceberg"
)

func TestTheLakeHasEachChangeOnce(t *testing.T) {
	if os.Getenv("WEIR_TEST_POSTGRES") == "" || os.Getenv("WEIR_TEST_ICEBERG_WAREHOUSE") == "" {
		t.Skip("needs servers: go run ./internal/testserver postgres,seaweedfs -- go test -C examples/cdc -v . (in the root of the repository)")
	}
	for name, value := range map[string]string{
		"POSTGRES_URL": os.Getenv("WEIR_TEST_POSTGRES"),
		"ICEBERG_URI":  os.Getenv("WEIR_TEST_ICEBERG"), "ICEBERG_WAREHOUSE": os.Getenv("WEIR_TEST_ICEBERG_WAREHOUSE"),
		"ICEBERG_CLIENT_ID": "weir", "ICEBERG_SECRET": password,
		"S3_ENDPOINT": os.Getenv("WEIR_TEST_S3"), "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "weir", "AWS_SECRET_ACCESS_KEY": password,
	} {
		t.Setenv(name, value)
	}
	localtest.Expect(t, "cdc", program, want)
	t.Logf("the program wrote:\n%s", want)
}

// password is that of the servers for tests.
const password = "weir-s3-secret"

const want = `read 1 Ann DE
read 2 Bob FR
read 3 Cleo IT
update 1 Ann AT
delete 2 Bob FR
insert 4 Dan ES
now: Ann from AT, Cleo from IT, Dan from ES,
`

func TestThePictureOfTheDocumentation(t *testing.T) {
	localtest.Picture(t, "cdc", topology(secret.String{}, iceberg.REST{}, "shop"))
}
