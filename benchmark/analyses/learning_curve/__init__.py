"""What more patients would bring: a finished study's runs learnt from fewer of them; and what each run costs."""
