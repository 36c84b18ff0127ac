"sqlite:///app.db"
