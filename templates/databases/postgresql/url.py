"postgresql://app:app@localhost:5432/app"
