package secret_test

import (
	"fmt"

	"github.com/weirstreams/weir/secret"
)

func Example() {
	login := struct {
		User     string
		Password secret.String
	}{"ada", secret.New("open sesame")}

	fmt.Printf("%+v\n", login)
	fmt.Println(login.Password.Reveal())
	// Output:
	// {User:ada Password:******}
	// open sesame
}
